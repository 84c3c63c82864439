// Runs the accept loop that the front page shows, with an acceptor that encrypts nothing.

include!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/site/browser.rs"
));

mod tokio_rustls {
    use tokio::net::TcpStream;

    #[derive(Clone)]
    pub struct TlsAcceptor;

    impl TlsAcceptor {
        pub async fn accept(&self, tcp: TcpStream) -> std::io::Result<TcpStream> {
            Ok(tcp)
        }
    }
}

use ws_server::prelude::{Refusal, Server, dispatch, ws_handler};

/// Lets in whoever comes from this machine, as `PeerAddr` tells.
struct Live;

#[ws_handler]
impl Live {
    fn init(handshake: &ws_server::extract::Handshake) -> Result<Self, Refusal> {
        let peer = handshake.peer_addr().ok_or(Refusal::FORBIDDEN)?;
        if peer.ip().is_loopback() {
            Ok(Live)
        } else {
            Err(Refusal::FORBIDDEN)
        }
    }
}

dispatch! {
    struct Routes;

    live: "/live" => Live { require_session: false };
}

fn serves<F>(serve_tls: fn(Ws, TlsAcceptor, TcpListener) -> F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    ws_server::runtime::block_on(async move {
        let ws = Server::new(Routes::table()).build().unwrap();
        let (listener, browser) = site().await;
        let serving = tokio::spawn(serve_tls(ws, TlsAcceptor, listener));
        assert!(browser.upgrade("/live").await.starts_with("HTTP/1.1 101 "));
        serving.abort();
    });
}
