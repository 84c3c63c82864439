//! nginx in front of a server that it reaches over TLS and over a Unix socket.

use std::process::Stdio;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use ws_server::prelude::*;
use ws_server::tls::{Certificates, Tls};
use ws_tests::within;

use crate::certificates::{Authority, Directory, text};
use crate::client::{Client, close, frame, upgrade};
use crate::running::Running;

/// Sends the address of its client, then echoes.
struct Peer;

#[ws_handler]
impl Peer {
    fn init(socket: &Socket<Self>) -> Self {
        let peer = socket.peer_addr().map(|peer| peer.to_string());
        let _ = socket.send(peer.unwrap_or_default());
        Peer
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false }

    tls:  "/tls"  => Peer;
    unix: "/unix" => Peer;
}

/// nginx, which listens on the Unix socket `front` of the directory. Dropping it ends the process.
struct Nginx {
    authority: Authority,
    directory: Directory,
    _process: Child,
}

impl Nginx {
    async fn start(authority: Authority, directory: Directory, tls_port: u16) -> Self {
        let (chain, key) = authority.sign(&["example.com"]).write(&directory, "front");
        directory.write("ca.pem", authority.pem());
        let file = |name: &str| text(&directory.file(name)).to_owned();
        let config = include_str!("nginx.conf")
            .replace("{chain}", text(&chain))
            .replace("{key}", text(&key))
            .replace("{directory}", &file(""))
            .replace("{tls_port}", &tls_port.to_string());
        let config = directory.write("nginx.conf", &config);
        let mut nginx = Command::new("nginx");
        nginx.args(["-c", text(&config), "-p", &file(""), "-e", "stderr"]);
        nginx.stdin(Stdio::null()).kill_on_drop(true);
        let process = nginx
            .spawn()
            .expect("nginx is installed; ./test.sh installs it");
        let front = directory.file("front");
        within("nginx", async {
            while UnixStream::connect(&front).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        Self {
            authority,
            directory,
            _process: process,
        }
    }

    async fn connect(&self) -> Client<TlsStream<UnixStream>> {
        let stream = UnixStream::connect(self.directory.file("front"))
            .await
            .unwrap();
        let name = ServerName::try_from("example.com").unwrap();
        let connector = self.authority.connector(&["http/1.1"]);
        Client::over(connector.connect(name, stream).await.unwrap())
    }
}

#[tokio::test]
async fn nginx_proxies_over_tls_and_over_a_unix_socket() {
    let (authority, directory) = (Authority::new(), Directory::new());
    let built = |proxy| {
        let server = Server::new(Routes::table()).trusted_proxies([proxy]);
        server.build().unwrap()
    };
    let pair = authority
        .sign(&["backend.example"])
        .write(&directory, "backend");
    let tls = Tls::new(Certificates::from_files([pair]).unwrap());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let mut over_tls = Running::listen(built("127.0.0.1"), address, tls.listener(tcp).unwrap());
    let unix = UnixListener::bind(directory.file("back")).unwrap();
    let mut over_unix = Running::listen(built("unix:"), address, unix);

    let nginx = Nginx::start(authority, directory, address.port()).await;
    for path in ["/tls", "/unix"] {
        // The forwarded scheme is `https`, so a page of plain HTTP is another site.
        let mut client = nginx.connect().await;
        client
            .send(upgrade(path, &["Origin: http://example.com"]))
            .await;
        assert_eq!(client.head().await.status, 403, "{path}");

        let mut client = nginx.connect().await;
        let mut packet = upgrade(path, &["Origin: https://example.com"]).into_bytes();
        packet.extend(frame(1, "early"));
        client.send(packet).await;
        assert_eq!(client.head().await.status, 101, "{path}");
        assert_eq!(client.text().await, "192.0.2.7:0", "{path}");
        assert_eq!(client.text().await, "early", "{path}");
        let large = "x".repeat(60_000);
        client.send_text(&large).await;
        assert!(client.text().await == large, "{path}");
        client.send(close(1000, "")).await;
        assert_eq!(client.close_frame().await.0, 1000, "{path}");
        client.end().await;
    }
    over_tls.stopped().await;
    over_unix.stopped().await;
}
