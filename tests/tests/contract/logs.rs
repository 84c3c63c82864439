//! Logs: the span of a connection, the level of each fault, and what they must never contain.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tracing::Level;
use ws_core::protocol::OpCode;
use ws_core::testkit::TestKit;
use ws_core::watchdog::Watchdog;
use ws_server::prelude::*;
use ws_tests::Captured;

use crate::journal::{Journal, secs, settle};

/// Logs in every hook.
struct Plain;

#[ws_handler]
impl Plain {
    fn init() -> Self {
        tracing::info!("in init");
        Plain
    }

    fn message(&mut self, _: String) {
        tracing::info!("in message");
    }

    fn info(&mut self, (): ()) {
        tracing::info!("in info");
    }

    fn terminate(self) {
        tracing::info!("in terminate");
    }
}

/// Logs in every hook, after a wait.
struct Waiting;

#[ws_handler]
impl Waiting {
    async fn init() -> Self {
        tokio::time::sleep(secs(1)).await;
        tracing::info!("in init");
        Waiting
    }

    async fn message(&mut self, _: String) {
        tokio::time::sleep(secs(1)).await;
        tracing::info!("in message");
    }

    async fn info(&mut self, (): ()) {
        tokio::time::sleep(secs(1)).await;
        tracing::info!("in info");
    }

    async fn terminate(self) {
        tokio::time::sleep(secs(1)).await;
        tracing::info!("in terminate");
    }
}

/// Calls every hook of a handler whose mailbox type is `()`.
async fn call_every_hook<H>(captured: &Captured)
where
    H: ws_server::handler::Handler<ws_server::extract::AnyRoute> + ws_core::mailbox::Accepts<()>,
{
    let kit = TestKit::new();
    let builder = kit.handler::<H>().peer("192.0.2.7:9".parse().unwrap());
    let mut client = builder.connect().await.unwrap();
    tracing::info!("outside");
    client.send("?").await;
    client.socket::<H>().notify(()).unwrap();
    tokio::time::sleep(secs(5)).await;
    client.end().await;
    client.terminated().await;
    let span = "websocket{id=1 route=\"/test\" peer=192.0.2.7:9}:";
    let hooks = ["init", "message", "info", "terminate"];
    let line = |hook| {
        let bytes = if hook == "message" { " bytes=1" } else { "" };
        format!("{span}hook{{hook=\"{hook}\"{bytes}}}: in {hook}")
    };
    let mut expected: Vec<_> = hooks.map(line).into();
    expected.insert(1, "outside".to_owned());
    assert_eq!(captured.of(Level::INFO), expected);
}

#[tokio::test(start_paused = true)]
async fn a_span_with_id_route_and_peer_is_entered_while_a_plain_hook_runs() {
    let (captured, _guard) = Captured::begin();
    call_every_hook::<Plain>(&captured).await;
}

#[tokio::test(start_paused = true)]
async fn a_span_with_id_route_and_peer_is_entered_while_an_async_hook_runs() {
    let (captured, _guard) = Captured::begin();
    call_every_hook::<Waiting>(&captured).await;
}

/// Takes JSON.
struct Typed;

#[derive(Deserialize)]
struct Number {
    _number: u32,
}

#[derive(Deserialize)]
struct Wanted {
    _page: Which,
}

/// The decoding error for any other value quotes the value.
#[derive(Deserialize)]
enum Which {
    First,
    Last,
}

#[ws_handler]
impl Typed {
    fn init(handshake: &Handshake, socket: &Socket<Self>) -> Self {
        let _ = (handshake, socket);
        Typed
    }

    fn message(&mut self, _: Json<Number>) -> &'static str {
        "reply-secret"
    }
}

/// Extracts its query as a type that the query does not match.
struct Asks;

#[ws_handler]
impl Asks {
    fn init(_: Query<Wanted>) -> Self {
        Asks
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_a_client_are_logged_at_debug_and_no_higher() {
    let (captured, _guard) = Captured::begin();
    let kit = TestKit::new();
    for fault in 0..4 {
        let mut client = kit.handler::<Typed>().connect().await.unwrap();
        match fault {
            0 => client.send("no number").await,
            1 => client.send(Message::binary(vec![1])).await,
            2 => client.send_bytes(b"\x81\x02hi").await,
            _ => client.reset().await,
        }
        client.terminated().await;
    }
    for level in [Level::ERROR, Level::WARN, Level::INFO] {
        assert_eq!(captured.of(level), Vec::<String>::new());
    }
    let debug = captured.of(Level::DEBUG).join("\n");
    for text in [
        "a message could not be decoded as the type that the handler takes code=1007",
        "a message could not be decoded as the type that the handler takes code=1003",
        "the client violated the protocol error=a client frame is not masked",
        "the connection is lost",
    ] {
        assert!(debug.contains(text), "{text} in {debug}");
    }
    assert!(
        debug.lines().all(|line| line.starts_with("websocket{id=")),
        "{debug}"
    );
}

/// Panics or fails in the hook that the request selects.
struct Fails {
    in_terminate: bool,
}

#[ws_handler]
impl Fails {
    async fn init(handshake: &Handshake) -> Result<Self, Refusal> {
        match handshake.query() {
            Some("panic") => panic!("of init"),
            Some("fail") => Err("of init").or_refuse(),
            Some("hang") => std::future::pending().await,
            query => Ok(Fails {
                in_terminate: query == Some("terminate"),
            }),
        }
    }

    async fn message(&mut self, text: String, socket: &Socket<Self>) -> Result<(), Close> {
        tokio::task::yield_now().await;
        match &*text {
            "panic" => panic!("of message"),
            "fail" => Err("of message").or_close(),
            "spawn" => socket
                .spawn(async { Err::<(), _>("of spawn").or_close() })
                .or_close(),
            _ => std::future::pending().await,
        }
    }

    fn info(&mut self, text: &'static str) -> Result<(), Close> {
        match text {
            "panic" => panic!("of info"),
            text => Err(text).or_close(),
        }
    }

    fn terminate(self) {
        assert!(!self.in_terminate, "of terminate");
    }
}

/// The only line at `error` for this connection.
async fn error_of(uri: &str, message: &'static str, notification: Option<&'static str>) -> String {
    let (captured, _guard) = Captured::begin();
    let kit = TestKit::new();
    if let Ok(mut client) = kit.handler::<Fails>().uri(uri).connect().await {
        if let Some(notification) = notification {
            client.socket::<Fails>().notify(notification).unwrap();
        } else if message.is_empty() {
            client.end().await;
        } else {
            client.send(message).await;
        }
        client.terminated().await;
        settle().await;
    }
    let lines = captured.of(Level::ERROR);
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    let line = line.strip_prefix("websocket{id=1 route=\"/test\"}");
    let line = line.expect("in the connection's span");
    // Most lines are in the span of the hook too.
    let (_, line) = line.split_once(": ").unwrap();
    line.to_owned()
}

#[tokio::test(start_paused = true)]
async fn panics_and_errors_are_logged_at_error_with_the_name_of_the_hook() {
    let panicked = |hook| format!("a hook panicked hook=\"{hook}\" panic=\"of {hook}\"");
    let failed = |hook| format!("a hook failed hook=\"{hook}\" error=of {hook}");
    let slow = |hook| format!("a hook timed out hook=\"{hook}\"");
    assert_eq!(error_of("/?panic", "", None).await, panicked("init"));
    assert_eq!(error_of("/?fail", "", None).await, failed("init"));
    assert_eq!(error_of("/?hang", "", None).await, slow("init"));
    assert_eq!(error_of("/", "panic", None).await, panicked("message"));
    assert_eq!(error_of("/", "fail", None).await, failed("message"));
    assert_eq!(error_of("/", "hang", None).await, slow("message"));
    assert_eq!(error_of("/", "spawn", None).await, failed("spawn"));
    assert_eq!(error_of("/", "", Some("panic")).await, panicked("info"));
    assert_eq!(error_of("/", "", Some("of info")).await, failed("info"));
    assert_eq!(
        error_of("/?terminate", "", None).await,
        panicked("terminate")
    );
}

#[tokio::test(start_paused = true)]
async fn query_strings_cookies_tokens_and_payloads_are_never_logged() {
    let (captured, _guard) = Captured::begin();
    let (kit, journal) = (TestKit::new(), Journal::new());
    for message in [
        r#"{"_number":7}"#,
        r#"{"_number":"payload-secret"}"#,
        "payload-secret",
    ] {
        let builder = kit.handler::<Typed>().uri("/rooms?token=query-secret");
        let builder = builder.header("cookie", "z_sid=cookie-secret");
        let builder = builder.header("authorization", "Bearer bearer-secret");
        let mut client = builder.connect().await.unwrap();
        client.send(message).await;
        client.send_frame(OpCode::Ping, true, b"ping-secret").await;
        client.sender().send("sent-secret").ok();
        client
            .send_frame(OpCode::Text, true, b"utf8-secret\xff")
            .await;
        client.terminated().await;
    }
    let refused = kit
        .handler::<Asks>()
        .uri("/?_page=query-secret")
        .connect()
        .await;
    assert_eq!(refused.unwrap_err().status(), 400);
    let mut client = journal.client::<Typed>(&kit).connect().await.unwrap();
    client.reset().await;
    client.terminated().await;
    let text = captured.text();
    assert!(
        text.contains("DEBUG") && text.contains("the query could not be decoded"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

/// Signals between a test and its blocked hook.
#[derive(Clone)]
struct Gate {
    entered: mpsc::Sender<()>,
    release: Arc<Mutex<mpsc::Receiver<()>>>,
}

/// Blocks its thread until it is released.
struct Blocks;

#[ws_handler]
impl Blocks {
    fn init() -> Self {
        Blocks
    }

    fn message(&mut self, _: String, State(gate): State<Gate>) -> &'static str {
        gate.entered.send(()).unwrap();
        gate.release.lock().unwrap().recv().unwrap();
        "released"
    }
}

dispatch! {
    struct Blocking;
    state: Gate;

    blocks: "/blocks/its/thread" => Blocks { require_session: false };
}

#[test]
fn a_hook_that_blocks_its_thread_is_logged_with_its_name_and_route() {
    let (captured, _end) = Captured::begin();
    let (entered, enters) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let gate = Gate {
        entered,
        release: Arc::new(Mutex::new(released)),
    };
    let lines = || {
        let mut lines = captured.of(Level::WARN);
        lines.retain(|line| line.contains("/blocks/its/thread"));
        lines
    };
    let server = thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let kit = TestKit::table(Blocking::table(), gate).unwrap();
            let mut client = kit.open("/blocks/its/thread").connect().await.unwrap();
            for _ in 0..3 {
                client.send("block").await;
                assert_eq!(client.text().await, "released");
            }
        });
    });
    let mut watchdog = Watchdog::default();
    let mut now = Instant::now();
    for count in 1..=3 {
        enters.recv().unwrap();
        for (after, logged) in [(0, false), (25, false), (50, false), (75, true), (25, true)] {
            now += Duration::from_millis(after);
            watchdog.check(now);
            let expected = usize::from(count > 1 || logged);
            assert_eq!(lines().len(), expected, "once in ten seconds");
        }
        release.send(()).unwrap();
    }
    server.join().unwrap();
    let line = lines().remove(0);
    for part in [
        "a hook has run for more than 100 ms",
        "hook=\"message\"",
        "count=1",
    ] {
        assert!(line.contains(part), "{line}");
    }
}
