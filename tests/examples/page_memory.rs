//! Measures the memory of a page: `cargo run --release -p ws-tests --example page_memory`.
//!
//! The program starts one server for each kind of route, with 10,000 idle connections of visitors
//! with a session, and prints the growth of its resident memory per connection. The first route has
//! no pages: the difference to the others is the cost of a page. Linux only: it reads `/proc`.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use warp::Filter;
use ws_server::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CONNECTIONS: usize = 10_000;
/// The number of pages of one visitor.
const PAGES: usize = 100;

/// Does nothing.
struct Idle;

#[ws_handler]
impl Idle {
    fn init(_: &Socket<Self>) -> Self {
        Idle
    }
}

dispatch! {
    struct Routes;

    plain:    "/plain"    => Idle { require_page: false };
    stream:   "/stream"   => PageStream;
    attached: "/attached" => Idle { attach: page };
}

/// Serves until it is killed; prints its port.
async fn serve() -> Result<()> {
    let server = Server::new(Routes::table()).per_address(None);
    let ws = server.build()?;
    let page = warp::path::end()
        .and(ws.page())
        .map(|visit: Visit, page: Page| visit.reply(page.id().to_owned()));
    let visit = warp::path!("visit").and(ws.session());
    let visit = visit.map(|visit: Visit| visit.reply("welcome"));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    ws.serve_listener(ws.filter().or(visit).or(page), listener)
        .await?;
    Ok(())
}

/// Sends a request. Returns the connection, and the bytes up to at least the end of the head.
async fn ask(port: u16, request: &str) -> Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    while !read.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut read).await? == 0 {
            return Err("the server closed".into());
        }
    }
    Ok((stream, String::from_utf8_lossy(&read).into_owned()))
}

/// Renders a page with this cookie, or stores the cookie that the response sets. Returns the id of
/// the page, which is empty if the path has no page.
async fn visit(port: u16, path: &str, cookie: &mut Option<String>) -> Result<String> {
    let line = cookie
        .as_ref()
        .map(|cookie| format!("Cookie: z_sid={cookie}\r\n"));
    let line = line.unwrap_or_default();
    let path = if path == "/plain" { "/visit" } else { "/" };
    let (_, head) = ask(
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\n{line}\r\n"),
    )
    .await?;
    let value = |name: &str| {
        let (_, rest) = head.split_once(&format!("{name}="))?;
        rest.split_once(';').map(|(value, _)| value.to_owned())
    };
    if cookie.is_none() {
        *cookie = value("z_sid");
    }
    Ok(value("z_pid").unwrap_or_default())
}

async fn connect(port: u16, path: &str, cookie: &str, page: &str) -> Result<TcpStream> {
    let request = format!(
        "GET {path}?z_pid={page} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: page.v1\r\nCookie: z_sid={cookie}\r\n\r\n"
    );
    let (stream, head) = ask(port, &request).await?;
    if head.starts_with("HTTP/1.1 101") {
        Ok(stream)
    } else {
        Err(head.into())
    }
}

/// The resident memory of a process, in bytes.
fn resident(process: &Child) -> Result<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("no VmRSS")?.parse::<usize>()? * 1024)
}

/// Bytes of a server's memory for each connection to this route.
async fn measure(path: &str) -> Result<usize> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg("serve")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let port = line.trim().parse()?;
    // The first connections allocate what the server needs only once.
    let mut connections = open(port, path, PAGES).await?;
    let before = resident(&server)?;
    connections.extend(open(port, path, CONNECTIONS).await?);
    // By then, pages that were rendered but not attached have ended.
    tokio::time::sleep(std::time::Duration::from_secs(22)).await;
    let after = resident(&server)?;
    server.kill()?;
    server.wait()?;
    Ok(after.saturating_sub(before) / CONNECTIONS)
}

async fn open(port: u16, path: &str, count: usize) -> Result<Vec<TcpStream>> {
    let mut connections = Vec::new();
    let mut cookie = None;
    for number in 0..count {
        if number % PAGES == 0 {
            cookie = None;
        }
        let page = visit(port, path, &mut cookie).await?;
        let cookie = cookie.as_deref().ok_or("no cookie")?;
        connections.push(connect(port, path, cookie, &page).await?);
    }
    Ok(connections)
}

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve().await;
    }
    let base = measure("/plain").await?;
    println!("plain connection with a session: {base} bytes");
    for (path, kind) in [("/stream", "page"), ("/attached", "page with a handler")] {
        let bytes = measure(path).await?;
        println!(
            "{kind}: {bytes} bytes, {} above it",
            bytes.saturating_sub(base)
        );
    }
    Ok(())
}
