//! TLS and HTTP/2: a page over `https`, and its echo over `wss`.
//!
//! The certificate for `localhost` is made at the start, so browsers ask before they trust it. Its
//! files are reloaded when they change.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use examples::{OptionSet, Options};
use warp::Filter;
use ws_server::listener::Listener;
use ws_server::prelude::*;
use ws_server::tls::{Certificates, Tls};

/// The first line of `--help`.
const ABOUT: &str = "A page and its echo over TLS and HTTP/2. Open / in a browser.";

/// Sends the version of HTTP, then echoes.
struct Echo;

#[ws_handler]
impl Echo {
    fn init(handshake: &Handshake, socket: &Socket<Self>) -> Self {
        // Only a request of HTTP/2 contains the scheme.
        let version = handshake.uri().scheme().map_or("HTTP/1.1", |_| "HTTP/2");
        let _ = socket.send(format!("connected over {version}"));
        Echo
    }

    fn message(&mut self, text: String) -> String {
        format!("You said: {text}")
    }
}

dispatch! {
    struct Routes;

    defaults { require_page: false }

    echo: "/echo" => Echo;
}

/// Makes a certificate for this machine. Returns its file and that of its key, which only this user
/// can read.
fn make_certificate() -> examples::Result<(PathBuf, PathBuf)> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)?;
    let name = format!("secure-{}", std::process::id());
    let chain = std::env::temp_dir().join(&name).with_extension("pem");
    let key = chain.with_extension("key");
    write_private(&chain, &made.cert.pem())?;
    write_private(&key, &made.signing_key.serialize_pem())?;
    Ok((chain, key))
}

/// Writes a new file: another user may have put one there.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
    let ws = Server::new(Routes::table()).http2().build()?;
    let page = warp::path::end()
        .and(warp::get())
        .and(ws.session())
        .map(|visit: Visit| visit.reply(warp::reply::html(include_str!("page.html"))));

    let tcp = options.bind().await?;
    let files = make_certificate()?;
    let certificates = Certificates::from_files([&files].map(|(chain, key)| (chain, key)))?;
    let listener = Tls::new(certificates).listener(tcp)?;
    println!("https://{}/", listener.address());
    examples::notify_ready()?;
    let served = ws.serve_listener(ws.filter().or(page), listener).await;
    for file in [&files.0, &files.1] {
        fs::remove_file(file)?;
    }
    Ok(served?)
}
