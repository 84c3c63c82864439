//! The end of a server with a hundred busy clients, over TCP, TLS and HTTP/2. SIGTERM resolves the future
//! of `run`, as these tests resolve theirs.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::Service;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::pki_types::ServerName;
use ws_server::prelude::*;
use ws_server::tls::{Certificates, Tls};

use crate::certificates::{Authority, Directory};
use crate::client::{Client, close, within};
use crate::http2::Connection;
use crate::running::Running;

/// Longer than any test.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The busy clients of a test, and the sockets on one HTTP/2 connection.
const CLIENTS: usize = 100;
const PER_CONNECTION: usize = 10;

/// Answers when the test allows it.
struct Busy;

#[ws_handler]
impl Busy {
    fn init() -> Self {
        Busy
    }

    async fn message(&mut self, text: String, State(gate): State<Gate>) -> String {
        gate.arrived.add_permits(1);
        let _open = gate.open.acquire().await;
        text
    }
}

dispatch! {
    struct Routes;
    state: Gate;

    defaults { require_session: false }

    busy: "/busy" => Busy;
}

#[derive(Clone)]
struct Gate {
    /// A permit for each message that has reached its hook.
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self {
            arrived: closed(),
            open: closed(),
        }
    }

    /// Waits for this number of messages.
    async fn arrived(&self, messages: usize) {
        let messages = self.arrived.acquire_many(u32::try_from(messages).unwrap());
        within("the hooks", messages).await.unwrap().forget();
    }

    fn open(&self) {
        self.open.close();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type AnyClient = Client<Box<dyn Stream>>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Plain,
    Tls,
    Http2,
    TlsHttp2,
}

const WAYS: [Way; 4] = [Way::Plain, Way::Tls, Way::Http2, Way::TlsHttp2];

struct Site {
    way: Way,
    authority: Authority,
    server: Running,
    gate: Gate,
    _directory: Directory,
}

impl Site {
    async fn start(way: Way, drain_delay: Duration) -> Self {
        let (authority, directory, gate) = (Authority::new(), Directory::new(), Gate::new());
        let server = Server::new(Routes::table()).state(gate.clone()).http2();
        let server = server.per_address(None).http_per_address(None);
        let server = server.drain_delay(drain_delay).shutdown_timeout(HOUR);
        let ws = server.build().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let server = match way {
            Way::Plain | Way::Http2 => Running::listen(ws, address, tcp),
            Way::Tls | Way::TlsHttp2 => {
                let pair = authority.sign(&["localhost"]).write(&directory, "0");
                let tls = Tls::new(Certificates::from_files([pair]).unwrap());
                Running::listen(ws, address, tls.listener(tcp).unwrap())
            }
        };
        Self {
            way,
            authority,
            server,
            gate,
            _directory: directory,
        }
    }

    /// A stream of bytes; a refused connection fails the test.
    async fn stream(&self) -> Box<dyn Stream> {
        let tcp = TcpStream::connect(self.server.address).await.unwrap();
        let protocol = match self.way {
            Way::Plain | Way::Http2 => return Box::new(tcp),
            Way::Tls => "http/1.1",
            Way::TlsHttp2 => "h2",
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connector = self.authority.connector(&[protocol]);
        let connecting = connector.connect(name, tcp);
        Box::new(within("the handshake of TLS", connecting).await.unwrap())
    }

    /// New clients, each of which has sent a message that its hook has not answered.
    async fn busy(&self) -> Vec<AnyClient> {
        let mut clients = Vec::new();
        while clients.len() < CLIENTS {
            if matches!(self.way, Way::Http2 | Way::TlsHttp2) {
                let mut connection = Connection::over(self.stream().await).await;
                for _ in 0..PER_CONNECTION {
                    let client = connection.client("/busy").await;
                    clients.push(Client::over(Box::new(client.stream) as Box<dyn Stream>));
                }
            } else {
                let mut client = Client::over(self.stream().await);
                client.upgrade("/busy").await;
                clients.push(client);
            }
        }
        for (number, client) in clients.iter_mut().enumerate() {
            client.send_text(&format!("question {number}")).await;
        }
        self.gate.arrived(CLIENTS).await;
        clients
    }

    /// Waits until the server is not ready: it has noticed that it must stop.
    async fn is_stopping(&self) {
        let health = self.server.ws.health_service();
        within("the server is not ready", async {
            loop {
                let request = http::Request::get("/readyz").body(String::new()).unwrap();
                if Service::call(&health, request).await.unwrap().status() == 503 {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn refuses_connections(&self) {
        within("the end of the listener", async {
            while TcpStream::connect(self.server.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Every client gets its answer, and then the Close.
    async fn answers(&self, clients: &mut [AnyClient]) {
        for (number, client) in clients.iter_mut().enumerate() {
            let answer = client.text().await;
            assert_eq!(answer, format!("question {number}"), "{:?}", self.way);
            assert_eq!(client.close_frame().await.0, 1001, "{:?}", self.way);
            client.send(close(1001, "")).await;
            client.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_is_refused_during_the_drain_delay_and_no_answer_is_lost() {
    for way in WAYS {
        let mut site = Site::start(way, HOUR).await;
        let mut before = site.busy().await;
        site.server.stop();
        site.is_stopping().await;
        let mut after = site.busy().await;
        // The application ends the delay.
        let shutdown = tokio::spawn(site.server.ws.shutdown(HOUR));
        site.gate.open();
        site.answers(&mut before).await;
        site.answers(&mut after).await;
        within("the shutdown", shutdown).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_busy_clients_get_their_answers_when_the_server_has_closed_its_listener() {
    for way in WAYS {
        let mut site = Site::start(way, Duration::ZERO).await;
        let mut clients = site.busy().await;
        site.server.stop();
        site.refuses_connections().await;
        site.gate.open();
        site.answers(&mut clients).await;
        site.server.stopped().await;
    }
}
