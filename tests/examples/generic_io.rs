//! The routes `/echo` and `/fanout` of the example `echo`, over streams that the server does not
//! recognise as TCP:
//!
//! ```sh
//! cargo run --release -p ws-tests --example generic_io -- --listen 127.0.0.1:3031 --workers 1
//! ```
//!
//! A load generator that measures both programs shows the cost of the path for any `AsyncRead` and
//! `AsyncWrite`, which TLS and Unix sockets use. On that path, only the connection's own task
//! writes to it.

use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use ws_server::prelude::*;
use ws_server::runtime::{block_on, block_on_with_workers};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Echoes every message.
struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

/// Sends every message to every client.
struct Fanout {
    clients: Topic<Message>,
}

#[ws_handler]
impl Fanout {
    fn init(socket: &Socket<Self>) -> Self {
        let clients = Topic::local("clients");
        socket.subscribe(&clients);
        Fanout { clients }
    }

    fn message(&mut self, message: Message, hub: &Hub) {
        hub.publish(&self.clients, &message);
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false, max_message: 64 MiB }

    echo:   "/echo"   => Echo;
    fanout: "/fanout" => Fanout;
}

/// A TCP stream in another type.
struct Stream(TcpStream);

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

async fn serve(listen: String) -> Result<()> {
    let server = Server::new(Routes::table()).any_origin().per_address(None);
    let ws = server.build()?;
    let listener = TcpListener::bind(&listen).await;
    let listener = listener.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("http://{}/", listener.local_addr()?);
    let service = TowerToHyperService::new(warp::service(ws.filter()));
    // As in the example `echo`, a task on a worker accepts.
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let io = TokioIo::new(Stream(stream));
            let connection = http1::Builder::new().serve_connection(io, service.clone());
            tokio::spawn(connection.with_upgrades());
        }
    });
    accepting.await?
}

fn main() -> Result<()> {
    let mut listen = "127.0.0.1:3031".to_owned();
    let mut workers = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or("an option has no value")?;
        match &*option {
            "--listen" => listen = value,
            "--workers" => workers = Some(value.parse()?),
            _ => return Err(format!("unknown option `{option}`").into()),
        }
    }
    match workers {
        Some(workers) => block_on_with_workers(workers, serve(listen)),
        None => block_on(serve(listen)),
    }
}
