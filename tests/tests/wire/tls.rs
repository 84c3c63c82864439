//! TLS: certificates, their reload, and clients that do not complete a handshake.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, version};
use tracing::Level;
use warp::Filter;
use ws_server::prelude::*;
use ws_server::tls::{Certificates, Tls, TlsError};
use ws_tests::{Captured, within};

use crate::certificates::{Authority, Directory, Signed};
use crate::client::{Client, close, frame, until, upgrade};
use crate::running::{Running, stopping};

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

dispatch! {
    struct Routes;

    defaults { require_session: false }

    echo: "/echo" => Echo;
}

fn ws() -> Ws {
    Server::new(Routes::table()).build().unwrap()
}

/// Whether an error is the expected one.
type IsExpected = fn(&TlsError) -> bool;

type Encrypted = Client<TlsStream<TcpStream>>;

/// A server with certificates in files.
struct Site {
    authority: Authority,
    directory: Directory,
    certificates: Certificates,
    server: Running,
}

impl Site {
    async fn start(configure: impl FnOnce(Tls) -> Tls) -> Self {
        Self::with_names(&[&["localhost"]], configure).await
    }

    async fn with_names(names: &[&[&str]], configure: impl FnOnce(Tls) -> Tls) -> Self {
        let (authority, directory) = (Authority::new(), Directory::new());
        let pairs = names.iter().enumerate().map(|(number, names)| {
            let signed = authority.sign(names);
            signed.write(&directory, &number.to_string())
        });
        let pairs: Vec<_> = pairs.collect();
        let certificates = Certificates::from_files(pairs).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let tls = configure(Tls::new(certificates.clone()));
        let server = Running::listen(ws(), address, tls.listener(tcp).unwrap());
        Self {
            authority,
            directory,
            certificates,
            server,
        }
    }

    /// Replaces the files of the first certificate.
    fn replace(&self, signed: &Signed) {
        signed.write(&self.directory, "0");
    }

    async fn connect_as(&self, config: ClientConfig, name: &str) -> std::io::Result<Encrypted> {
        let tcp = TcpStream::connect(self.server.address).await?;
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = within("the handshake", connector.connect(name, tcp)).await?;
        Ok(Client::over(stream))
    }

    async fn connect(&self) -> Encrypted {
        let config = self.authority.client(&["http/1.1"]);
        self.connect_as(config, "localhost").await.unwrap()
    }

    /// The certificate that a client with this name gets.
    async fn presented(&self, name: &str) -> Vec<u8> {
        let config = self.authority.client(&[]);
        let client = self.connect_as(config, name).await.unwrap();
        let (_, connection) = client.stream.get_ref();
        connection.peer_certificates().unwrap()[0].to_vec()
    }
}

async fn echoes(client: &mut Encrypted) {
    let mut packet = upgrade("/echo", &["Origin: https://example.com"]).into_bytes();
    packet.extend(frame(1, "early"));
    client.send(packet).await;
    assert_eq!(client.head().await.status, 101);
    assert_eq!(client.text().await, "early");
    let large = "x".repeat(60_000);
    client.send_text(&large).await;
    assert!(client.text().await == large);
}

#[tokio::test]
async fn connections_over_tls_echo_and_close() {
    let mut site = Site::start(|tls| tls).await;
    let mut client = site.connect().await;
    echoes(&mut client).await;
    client.send(close(1000, "")).await;
    assert_eq!(client.close_frame().await.0, 1000);
    client.end().await;
    let mut left = site.connect().await;
    echoes(&mut left).await;
    site.server.stop();
    assert_eq!(left.close_frame().await.0, 1001);
    left.send(close(1001, "")).await;
    left.end().await;
    site.server.stopped().await;
}

#[tokio::test]
async fn tls_sets_the_scheme_of_origins_and_cookies() {
    let site = Site::start(|tls| tls).await;
    let mut client = site.connect().await;
    client
        .send(upgrade("/echo", &["Origin: http://example.com"]))
        .await;
    assert_eq!(client.head().await.status, 403);

    let (authority, directory, ws) = (Authority::new(), Directory::new(), ws());
    let pair = authority.sign(&["localhost"]).write(&directory, "0");
    let tls = Tls::new(Certificates::from_files([pair]).unwrap());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let page = warp::path::end()
        .and(ws.session())
        .map(|visit: Visit| visit.reply("hello"));
    let (_stop, stopped) = stopping();
    tokio::spawn(ws.serve_until(ws.filter().or(page), tls.listener(tcp).unwrap(), stopped));
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let stream = authority.connector(&[]).connect(name, tcp).await.unwrap();
    let mut client = Client::over(stream);
    client
        .send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let (head, body) = client.response().await;
    assert_eq!((head.status, &*body), (200, "hello"));
    let cookie = head.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-z_sid="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
}

#[tokio::test]
async fn a_new_certificate_is_served_after_a_reload() {
    let site = Site::start(|tls| tls.reload_every(None)).await;
    let mut open = site.connect().await;
    echoes(&mut open).await;
    assert!(!site.certificates.reload().unwrap());
    let renewed = site.authority.sign(&["localhost"]);
    site.replace(&renewed);
    assert!(site.certificates.reload().unwrap());
    assert_eq!(site.presented("localhost").await, renewed.der.to_vec());
    // Connections outlive it.
    open.send_text("still open").await;
    assert_eq!(open.text().await, "still open");
}

#[tokio::test]
async fn a_bad_certificate_is_not_loaded_and_the_old_one_is_kept() {
    let site = Site::start(|tls| tls.reload_every(None)).await;
    let old = site.presented("localhost").await;
    let expired = site.authority.sign_until(&["localhost"], 2020);
    let other = site.authority.sign(&["localhost"]);
    let [first, second] = [&expired, &other];
    let chain_of_another = Signed {
        chain: second.chain.clone(),
        key: first.key.clone(),
        der: second.der.clone(),
    };
    let without = |chain: &str, key: &str| Signed {
        chain: chain.to_owned(),
        key: key.to_owned(),
        der: other.der.clone(),
    };
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases: [(&Signed, IsExpected); 6] = [
        (&expired, |error| matches!(error, TlsError::Expired { .. })),
        (&chain_of_another, |error| {
            matches!(error, TlsError::Key { .. })
        }),
        (&without("", &other.key), |error| {
            matches!(error, TlsError::NoCertificate { .. })
        }),
        (&without("text", &other.key), |error| {
            matches!(error, TlsError::NoCertificate { .. })
        }),
        (&without(not_der, &other.key), |error| {
            matches!(error, TlsError::Malformed { .. })
        }),
        (&without(&other.chain, &other.chain), |error| {
            matches!(error, TlsError::NoKey { .. })
        }),
    ];
    for (signed, is_expected) in cases {
        site.replace(signed);
        let error = site.certificates.reload().unwrap_err();
        assert!(is_expected(&error), "{error:?}");
        assert!(
            !format!("{error:?} {error}").contains("PRIVATE"),
            "{error:?}"
        );
        // The same contents are not tried again.
        assert!(!site.certificates.reload().unwrap());
        assert_eq!(site.presented("localhost").await, old);
    }
    std::fs::remove_file(site.directory.file("0.key")).unwrap();
    let error = site.certificates.reload().unwrap_err();
    assert!(matches!(error, TlsError::Read { .. }), "{error:?}");
    assert_eq!(site.presented("localhost").await, old);
    site.replace(&other);
    assert!(site.certificates.reload().unwrap());
    assert_eq!(site.presented("localhost").await, other.der.to_vec());
}

#[tokio::test]
async fn files_are_reloaded_in_intervals_and_errors_are_logged_once() {
    let (log, _end) = Captured::begin();
    let site = Site::start(|tls| tls.reload_every(Duration::from_millis(5))).await;
    let old = site.presented("localhost").await;
    site.replace(&site.authority.sign_until(&["localhost"], 2020));
    until("the error", || !log.of(Level::ERROR).is_empty()).await;
    assert_eq!(site.presented("localhost").await, old);
    let renewed = site.authority.sign(&["localhost"]);
    site.replace(&renewed);
    until("the reload", || {
        log.text().contains("certificates are reloaded")
    })
    .await;
    assert_eq!(site.presented("localhost").await, renewed.der.to_vec());
    let errors = log.of(Level::ERROR);
    // Between the writes of the two files, they do not match.
    assert!(
        errors.iter().any(|line| line.contains("0.pem has expired")),
        "{errors:?}"
    );
    let keeps =
        |line: &String| line.starts_with("the TLS certificates are not reloaded; the server keeps");
    assert!(errors.len() <= 3 && errors.iter().all(keeps), "{errors:?}");
}

#[tokio::test]
async fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
    let names: &[&[&str]] = &[&["localhost"], &["b.example", "*.c.example"]];
    let site = Site::with_names(names, |tls| tls).await;
    let (first, second) = (
        site.presented("localhost").await,
        site.presented("b.example").await,
    );
    assert_ne!(first, second);
    assert_eq!(site.presented("www.c.example").await, second);
    // A wrong name gets the first certificate, which the client refuses.
    let config = site.authority.client(&[]);
    let error = site.connect_as(config, "d.example").await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    let mut client = site.connect().await;
    echoes(&mut client).await;
}

#[tokio::test]
async fn plain_text_on_a_tls_port_gets_a_readable_response_and_is_logged() {
    let (log, _end) = Captured::begin();
    let site = Site::start(|tls| tls).await;
    for _ in 0..3 {
        let mut client = Client::connect(site.server.address).await;
        client.send(upgrade("/echo", &[])).await;
        let (head, body) = client.response().await;
        assert_eq!(head.status, 400);
        assert_eq!(head.header("connection"), Some("close"));
        assert_eq!(
            body,
            "this port speaks TLS: connect with https:// or wss://\n"
        );
        client.end().await;
    }
    let line = log.only(Level::WARN);
    assert!(
        line.contains("a client spoke plain text on a TLS port"),
        "{line}"
    );
}

#[tokio::test]
async fn tls_on_a_plain_port_gets_a_400() {
    let server = Running::start(ws()).await;
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = Authority::new().connector(&[]).connect(name, tcp);
    let error = within("an error", connecting).await.unwrap_err();
    assert!(error.to_string().contains("InvalidContentType"), "{error}");
    let mut client = server.open("/echo").await;
    client.send_text("as ever").await;
    assert_eq!(client.text().await, "as ever");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut() {
    let site = Site::start(|tls| tls.handshake_timeout(Duration::from_millis(50))).await;
    let mut silent = Client::connect(site.server.address).await;
    silent.end().await;
    // The start of a record of 512 bytes, which never come.
    let mut partial = Client::connect(site.server.address).await;
    partial.send([22, 3, 1, 2, 0, 1]).await;
    partial.gone().await;
    let mut garbage = Client::connect(site.server.address).await;
    garbage.send([22; 100]).await;
    garbage.gone().await;
    echoes(&mut site.connect().await).await;
}

#[tokio::test]
async fn protocols_and_versions_that_are_not_offered_are_refused() {
    let site = Site::start(Tls::tls13_only).await;
    let provider = site.authority.client(&[]).crypto_provider().clone();
    let roots = || site.authority.client(&["spdy/3"]);
    let error = site.connect_as(roots(), "localhost").await.unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
    let mut old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(tokio_rustls::rustls::RootCertStore::empty())
        .with_no_client_auth();
    old.alpn_protocols = Vec::new();
    let error = site.connect_as(old, "localhost").await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let client = site.connect().await;
    let (_, connection) = client.stream.get_ref();
    assert_eq!(
        connection.protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
    assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn certificates_without_files_are_an_error() {
    let none: [(&str, &str); 0] = [];
    let error = Certificates::from_files(none).unwrap_err();
    assert!(matches!(error, TlsError::NoCertificates));
}
