//! Echo servers over TCP, TLS and HTTP/2, each at a plain `ws://` URL, for conformance tools that
//! speak only plain WebSocket, such as the fuzzing client of Autobahn's suite:
//!
//! ```sh
//! cargo run --release -p ws-tests --example conformance
//! ```
//!
//! It prints one URL per line. All but the first belong to a bridge, which forwards each connection to
//! a server in the same process.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::CertifiedKey;
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use ws_server::listener::Listener;
use ws_server::prelude::*;
use ws_server::tls::Tls;

mod bridge;

use bridge::{Bridge, Version};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The name in the certificate.
const NAME: &str = "localhost";

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

/// Sends the version of HTTP of its handshake.
struct Greeter;

#[ws_handler]
impl Greeter {
    fn init(handshake: &Handshake, socket: &Socket<Self>) -> Self {
        // Only a request of HTTP/2 contains the scheme.
        let scheme = handshake.uri().scheme_str();
        let _ = socket.send(scheme.map_or("HTTP/1.1".to_owned(), |it| format!("HTTP/2 {it}")));
        Greeter
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false, max_message: 64 MiB, origins: any }

    echo:    "/echo"    => Echo;
    deflate: "/deflate" => Echo { deflate: true };
    version: "/version" => Greeter;
}

/// One server at a plain URL.
#[derive(Debug)]
struct Entrance {
    name: &'static str,
    address: SocketAddr,
}

/// A certificate, and the configurations of its server and of its clients.
fn certificates() -> Result<(ServerConfig, ClientConfig)> {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let provider = Arc::new(ring::default_provider());
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())?;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((server, client))
}

/// Serves the routes on this listener, in a task.
fn serve(listener: impl Listener) -> Result<()> {
    let server = Server::new(Routes::table()).per_address(None).http2();
    let ws = server.build()?;
    tokio::spawn(ws.run_until(listener, std::future::pending()));
    Ok(())
}

async fn bind() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Starts the servers and the bridges to them.
async fn start() -> Result<Vec<Entrance>> {
    let (plain, plain_address) = bind().await?;
    serve(plain)?;
    let (encrypted, tls_address) = bind().await?;
    let (server_config, client_config) = certificates()?;
    serve(Tls::from_config(server_config).listener(encrypted)?)?;
    let mut entrances = vec![Entrance {
        name: "plain",
        address: plain_address,
    }];
    for (name, server, version, alpn) in [
        ("tls", tls_address, Version::Http1, Some("http/1.1")),
        ("http2", plain_address, Version::Http2, None),
        ("tls-http2", tls_address, Version::Http2, Some("h2")),
    ] {
        let tls = alpn.map(|protocol| {
            let mut config = client_config.clone();
            config.alpn_protocols = vec![protocol.into()];
            TlsConnector::from(Arc::new(config))
        });
        let (listener, address) = bind().await?;
        let bridge = Bridge {
            server,
            version,
            tls,
            name: NAME,
        };
        tokio::spawn(bridge.run(listener));
        entrances.push(Entrance { name, address });
    }
    Ok(entrances)
}

#[ws_server::main]
async fn main() -> Result<()> {
    for Entrance { name, address } in start().await? {
        println!("{name} ws://{address}/echo");
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use ws_tests::within;

    use super::*;

    /// Sends the request of a handshake; returns the head of the response.
    async fn connect(address: SocketAddr, path: &str, lines: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n");
        write!(
            request,
            "Connection: Upgrade\r\nUpgrade: websocket\r\n{lines}\r\n"
        )
        .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("a head", stream.read_u8()).await.unwrap());
        }
        (stream, String::from_utf8(head).unwrap().to_lowercase())
    }

    const LINES: &str =
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    /// Reads this many bytes.
    async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        let reading = stream.read_exact(&mut buffer);
        within("bytes", reading).await.unwrap();
        buffer
    }

    #[tokio::test]
    async fn each_entrance_leads_to_its_protocol() {
        let mut versions = Vec::new();
        for Entrance { name, address } in start().await.unwrap() {
            let (mut stream, head) = connect(address, "/version", LINES).await;
            assert!(head.starts_with("http/1.1 101 "), "{name}: {head}");
            let frame = read(&mut stream, 2).await;
            let text = read(&mut stream, frame[1].into()).await;
            versions.push((name, String::from_utf8(text).unwrap()));
        }
        let versions: Vec<_> = versions.iter().map(|(a, b)| (*a, &**b)).collect();
        let expected = [
            ("plain", "HTTP/1.1"),
            ("tls", "HTTP/1.1"),
            ("http2", "HTTP/2 http"),
            ("tls-http2", "HTTP/2 https"),
        ];
        assert_eq!(versions, expected);
    }

    #[tokio::test]
    async fn every_entrance_forwards_heads_bytes_and_ends() {
        for Entrance { name, address } in start().await.unwrap() {
            let extension = format!("{LINES}Sec-WebSocket-Extensions: permessage-deflate\r\n");
            let (_, head) = connect(address, "/deflate", &extension).await;
            assert!(
                head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
                "{name}: {head}"
            );
            let deflate = "\r\nsec-websocket-extensions: permessage-deflate";
            assert!(head.contains(deflate), "{name}: {head}");
            let (mut stream, _) = connect(address, "/echo", LINES).await;
            // A binary message of a megabyte, with a mask of zeros: it exceeds every window.
            let payload = vec![7; 1 << 20];
            let mut frame = vec![0x82, 0xff];
            frame.extend(payload.len().to_be_bytes());
            frame.extend([0; 4]);
            frame.extend(&payload);
            let (mut reading, mut writing) = stream.split();
            let mut echo = vec![0; 10 + payload.len()];
            let (written, answered) =
                tokio::join!(writing.write_all(&frame), reading.read_exact(&mut echo));
            written.unwrap();
            answered.unwrap();
            assert_eq!(echo[..2], [0x82, 127], "{name}");
            assert!(echo[10..] == payload, "{name}");
            // A Close with 1000.
            stream
                .write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 232])
                .await
                .unwrap();
            assert_eq!(read(&mut stream, 4).await, [0x88, 2, 3, 232], "{name}");
            let end = within("the end", stream.read(&mut [0])).await;
            assert_eq!(end.unwrap(), 0, "{name}");

            let (_, head) = connect(address, "/missing", LINES).await;
            assert!(head.starts_with("http/1.1 404 "), "{name}: {head}");
            let (_, head) = connect(address, "/echo", "Sec-WebSocket-Version: 13\r\n").await;
            assert!(head.starts_with("http/1.1 400 "), "{name}: {head}");
        }
    }
}
