//! Bridges from plain WebSocket connections to a server over TLS or HTTP/2.

use std::net::SocketAddr;

use futures::FutureExt;
use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use ws_core::protocol::accept_key;

use crate::Result;

/// The version of HTTP in which the server gets the handshakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// The way to a server.
#[derive(Clone)]
pub(crate) struct Bridge {
    pub server: SocketAddr,
    pub version: Version,
    /// The client of a server with TLS; it offers the protocol of `version`.
    pub tls: Option<TlsConnector>,
    /// The name in the server's certificate.
    pub name: &'static str,
}

/// The stream to a server.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Bridge {
    /// Forwards every connection of a listener, each over a connection of its own.
    pub(crate) async fn run(self, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let bridge = self.clone();
            tokio::spawn(async move {
                if let Err(error) = bridge.forward(client).await {
                    eprintln!("a connection has failed: {error:?}");
                }
            });
        }
    }

    async fn forward(&self, mut client: TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        let mut server = self.connect().await?;
        match self.version {
            Version::Http1 => {
                // A reset of one side ends both.
                let _ = copy_bidirectional(&mut client, &mut server).await;
                Ok(())
            }
            Version::Http2 => self.translate(client, server).await,
        }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect(self.server).await?;
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(tls.connect(ServerName::try_from(self.name)?, tcp).await?),
        })
    }

    /// Serves HTTP/1.1 to the client, and passes its handshake on as an extended CONNECT (RFC 8441).
    async fn translate(&self, client: TcpStream, server: Box<dyn Stream>) -> Result<()> {
        let executor = TokioExecutor::new();
        let (requests, mut connection) = http2::handshake(executor, TokioIo::new(server)).await?;
        // hyper has no event for the settings of the server.
        while !connection.is_extended_connect_protocol_enabled() {
            if let Some(ended) = (&mut connection).now_or_never() {
                return Ok(ended?);
            }
            tokio::task::yield_now().await;
        }
        tokio::spawn(connection);
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let service = service_fn(|request| handshake(request, scheme, requests.clone()));
        let serving = http1::Builder::new().serve_connection(TokioIo::new(client), service);
        Ok(serving.with_upgrades().await?)
    }
}

/// Performs one handshake, and forwards the bytes behind it in a task.
async fn handshake(
    mut request: Request<Incoming>,
    scheme: &str,
    mut requests: SendRequest<String>,
) -> Result<Response<String>> {
    let headers = std::mem::take(request.headers_mut());
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY) else {
        return Ok(status(StatusCode::BAD_REQUEST));
    };
    let accept = HeaderValue::try_from(accept_key(key.as_bytes()))?;
    let connect = extended_connect(request.uri(), scheme, headers)?;
    let mut response = requests.send_request(connect).await?;
    if response.status() != StatusCode::OK {
        return Ok(status(response.status()));
    }
    let mut answer = status(StatusCode::SWITCHING_PROTOCOLS);
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    tokio::spawn(async move {
        let upgrades = (hyper::upgrade::on(request), hyper::upgrade::on(response));
        if let (Ok(client), Ok(server)) = (upgrades.0.await, upgrades.1.await) {
            let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    });
    Ok(answer)
}

fn extended_connect(target: &Uri, scheme: &str, mut headers: HeaderMap) -> Result<Request<String>> {
    let host = headers.remove(HOST).ok_or("a request without `Host`")?;
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_KEY] {
        headers.remove(name);
    }
    let path = target.path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(host.as_bytes())
        .path_and_query(path);
    let mut request = Request::new(String::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = uri.build()?;
    *request.headers_mut() = headers;
    let protocol = Protocol::from_static("websocket");
    request.extensions_mut().insert(protocol);
    Ok(request)
}

fn status(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}
