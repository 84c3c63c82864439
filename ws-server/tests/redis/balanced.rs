//! Pages over HTTP behind a load balancer that sends each request to the next server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use ws_server::cluster::Lanes;
use ws_server::prelude::*;
use ws_server::session::Secrets;

use crate::server::RedisServer;

const POSTS: u64 = 100;

/// Messages of one POST.
const MESSAGES: u64 = 3;

/// Returns each message.
struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

dispatch! {
    struct Routes;

    echo: "/echo" => Echo { attach: page };
}

/// Two servers, and a proxy that connects each client to the next one.
struct Balanced {
    servers: [Ws; 2],
    port: u16,
    /// The connections of clients to each server.
    connections: Arc<[AtomicUsize; 2]>,
}

impl Balanced {
    async fn start(redis: &RedisServer) -> Self {
        let serve = async || {
            let secrets = Secrets::new([[7; 32]]).unwrap();
            let server = Server::new(Routes::table()).http_fallback();
            let ws = server.redis([redis.url("")]).secrets(secrets).build();
            let ws = ws.unwrap();
            ws.ready().await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(ws.run_listener(listener));
            (ws, port)
        };
        let (a, b) = (serve().await, serve().await);
        let (servers, ports) = ([a.0, b.0], [a.1, b.1]);
        for server in &servers {
            while server.hub().cluster().unwrap().nodes.len() < 2 {
                sleep(Duration::from_millis(10)).await;
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<[AtomicUsize; 2]>::default();
        tokio::spawn(proxy(listener, ports, connections.clone()));
        Self {
            servers,
            port,
            connections,
        }
    }
}

async fn proxy(listener: TcpListener, ports: [u16; 2], connections: Arc<[AtomicUsize; 2]>) {
    for next in (0..2).cycle() {
        let (mut client, _) = listener.accept().await.unwrap();
        connections[next].fetch_add(1, Ordering::Relaxed);
        let port = ports[next];
        tokio::spawn(async move {
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            // Either side may end it.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// A page over HTTP, each of whose requests has a connection of its own.
struct Page {
    port: u16,
    cookies: BTreeMap<String, String>,
    id: String,
    epoch: String,
    base: String,
}

impl Page {
    async fn new(port: u16) -> Self {
        let mut page = Self {
            port,
            cookies: BTreeMap::new(),
            id: String::new(),
            epoch: String::new(),
            base: String::new(),
        };
        let (head, body) = page.post("/ws-server/page", "").await;
        for line in head.lines() {
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("set-cookie")
            {
                let (pair, _) = value.split_once(';').unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                page.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let issued: Value = serde_json::from_str(&body).unwrap();
        let member = |name: &str| issued[name].as_str().unwrap().to_owned();
        Self {
            id: member("page"),
            epoch: member("epoch"),
            base: member("base"),
            ..page
        }
    }

    async fn send(&self, target: &str, body: &str) -> TcpStream {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<_> = cookies.collect();
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\
             Content-Type: application/vnd.ws-server.page.v1\r\nCookie: {}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            cookies.join("; "),
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// The head and the body of a response that ends.
    async fn post(&self, target: &str, body: &str) -> (String, String) {
        let mut stream = self.send(target, body).await;
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    async fn open(&self) -> Down {
        let Self {
            id, epoch, base, ..
        } = self;
        let target =
            format!("/echo?z_pid={id}&client=7&attempt=1&epoch={epoch}&offset=0&base={base}&at=");
        let lines = BufReader::new(self.send(&target, "").await).lines();
        let mut down = Down {
            lines,
            attachment: String::new(),
        };
        let open = down.line().await;
        open["attachment"]
            .as_str()
            .unwrap()
            .clone_into(&mut down.attachment);
        down
    }

    async fn post_messages(&self, down: &Down, number: u64, body: &str) -> u16 {
        let (id, attachment) = (&self.id, &down.attachment);
        let target = format!("/echo?z_pid={id}&attachment={attachment}&post={number}");
        let (head, _) = self.post(&target, body).await;
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

struct Down {
    lines: Lines<BufReader<TcpStream>>,
    attachment: String,
}

impl Down {
    /// The next JSON object; the other lines are those of the head and of chunks.
    async fn line(&mut self) -> Value {
        loop {
            let line = timeout(Duration::from_secs(30), self.lines.next_line()).await;
            let line = line.expect("a line in time").unwrap().expect("a line");
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

fn messages(number: u64) -> String {
    let ids = (1..=MESSAGES).map(|it| (number - 1) * MESSAGES + it);
    let lines =
        ids.map(|id| json!({"type": "text", "id": id, "data": format!("m{id}")}).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_messages_of_a_page_over_http_reach_its_server_without_sticky_sessions() {
    let redis = RedisServer::start();
    let balanced = Balanced::start(&redis).await;
    let page = Page::new(balanced.port).await;
    let mut down = page.open().await;
    for number in 1..=POSTS {
        let body = messages(number);
        assert_eq!(page.post_messages(&down, number, &body).await, 204);
        if number % 10 == 0 {
            // Repeated at the other server, as by a client that has got no response.
            assert_eq!(page.post_messages(&down, number, &body).await, 204);
        }
        let ack = json!({"type": "ack", "offset": (number - 1) * MESSAGES}).to_string();
        if number % 3 == 0 {
            let (id, attachment) = (&page.id, &down.attachment);
            let target = format!("/echo?z_pid={id}&attachment={attachment}");
            let (head, _) = page.post(&target, &ack).await;
            assert!(head.starts_with("HTTP/1.1 204"), "{head}");
        }
        for id in (number - 1) * MESSAGES + 1..=number * MESSAGES {
            let mut line = down.line().await;
            while line["type"] != "text" {
                assert!(
                    line["type"] == "welcome" || line["type"] == "seen",
                    "{line}"
                );
                line = down.line().await;
            }
            assert_eq!(
                line,
                json!({"type": "text", "offset": id, "data": format!("m{id}")})
            );
        }
    }
    let connections = [0, 1].map(|server| balanced.connections[server].load(Ordering::Relaxed));
    assert!(
        connections.iter().all(|count| *count > 50),
        "{connections:?}"
    );
    let pages = balanced
        .servers
        .each_ref()
        .map(|server| server.hub().connection_count());
    assert_eq!(
        pages.iter().sum::<usize>(),
        1,
        "one connection all the time"
    );
    // The log has the messages, but not what it takes to send others.
    let mut log = String::new();
    for lane in Lanes::DEFAULT.iter() {
        log += &redis.command(&format!("XRANGE {} - +", redis.log_of(lane)));
    }
    assert!(log.contains("\"m3\""), "a POST has passed through the log");
    assert!(!log.contains(&down.attachment));
}

#[tokio::test]
async fn a_post_is_tried_again_after_redis_was_away_and_has_an_effect_once() {
    let redis = RedisServer::start();
    let balanced = Balanced::start(&redis).await;
    let page = Page::new(balanced.port).await;
    let mut down = page.open().await;
    redis.pause();
    // One of two reaches the server of the stream, which needs no log. Both look up the session.
    let body = messages(1);
    let away = async {
        let statuses = [1, 1].map(|number| page.post_messages(&down, number, &body));
        futures::future::join_all(statuses).await
    };
    let statuses = away.await;
    redis.resume();
    assert!(
        statuses.iter().all(|status| [204, 503].contains(status)) && statuses.contains(&503),
        "{statuses:?}"
    );
    let mut status = 503;
    while status == 503 {
        status = page.post_messages(&down, 1, &body).await;
    }
    assert_eq!(status, 204);
    let mut status = 503;
    while status == 503 {
        status = page.post_messages(&down, 2, &messages(2)).await;
    }
    assert_eq!(status, 204);
    let mut texts = Vec::new();
    while (texts.len() as u64) < 2 * MESSAGES {
        let line = down.line().await;
        if line["type"] == "text" {
            texts.push(line["data"].as_str().unwrap().to_owned());
        }
    }
    let expected: Vec<_> = (1..=2 * MESSAGES).map(|id| format!("m{id}")).collect();
    assert_eq!(texts, expected);
}
