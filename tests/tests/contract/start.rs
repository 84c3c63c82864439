//! `start`: a function of the handshake that keeps the handler, refuses, or chooses another one.

use tracing::Level;
use ws_core::testkit::{ClientBuilder, TestKit};
use ws_server::CloseCause;
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;

use crate::journal::{Journal, assert_ended};
use ws_tests::Captured;

/// The handler of the route.
struct V2(Journal);

#[ws_handler]
impl V2 {
    fn init(journal: Journal) -> Self {
        journal.note("init v2");
        V2(journal)
    }

    fn message(&mut self, text: String) -> String {
        format!("v2 {text}")
    }

    fn terminate(self) {
        self.0.note("terminate v2");
    }
}

/// The handler for older clients. It uses the arguments of the route.
struct V1 {
    journal: Journal,
    id: u64,
    greeting: &'static str,
}

#[ws_handler]
impl V1 {
    async fn init(
        Path(id): Path<u64>,
        State(greeting): State<&'static str>,
        journal: Journal,
    ) -> Result<Self, Refusal> {
        journal.note("init v1");
        if id == 0 {
            return Err(Refusal::GONE);
        }
        Ok(V1 {
            journal,
            id,
            greeting,
        })
    }

    async fn message(&mut self, text: String) -> String {
        format!("{} {} {text}", self.greeting, self.id)
    }

    fn terminate(self, reason: CloseReason) {
        let CloseReason { cause, code, .. } = reason;
        self.journal
            .note(format!("terminate {cause:?} {}", code.get()));
    }
}

/// Refuses unknown versions; for `v0` it panics.
fn by_version<R>(handshake: &Handshake) -> Result<Start<R>, Refusal>
where
    V1: Handler<R>,
{
    Ok(match handshake.protocol() {
        Some("v2") => Start::keep(),
        Some("v1") => Start::with::<V1>(),
        Some("v0") => panic!("of start"),
        Some(_) => Err("of start").or_refuse()?,
        None => Start::refuse(Refusal::BAD_REQUEST.body("offer v2 or v1")),
    })
}

fn not_twice(handshake: &Handshake) -> Result<(), Refusal> {
    match handshake.query() {
        Some("again") => Err(Refusal::CONFLICT),
        _ => Ok(()),
    }
}

dispatch! {
    struct Routes;
    state: &'static str;
    defaults { require_session: false, start: not_twice }

    versions: "/devices/{id: u64}" => V2 {
        protocols: ["v2", "v1", "v0", "broken"], start: by_version,
    };
    simple: "/simple" => V2;
    inner: "/inner" => use Inner;
}

dispatch! {
    struct Inner;

    kept: "/kept" => V2 { require_session: false };
}

fn kit() -> TestKit {
    TestKit::table(Routes::table(), "hello").unwrap()
}

fn builder(kit: &TestKit, journal: &Journal, path: &str, protocol: &str) -> ClientBuilder {
    let builder = journal.attach(kit.open(path));
    match protocol {
        "" => builder,
        _ => builder.header("sec-websocket-protocol", protocol),
    }
}

/// Status and body.
async fn refusal(builder: ClientBuilder) -> (u16, String) {
    let refusal = builder.connect().await.unwrap_err();
    (refusal.status().as_u16(), refusal.text().to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_routes_handler_gets_the_connection_if_start_keeps_it() {
    let (kit, journal) = (kit(), Journal::new());
    for path in ["/devices/7", "/simple", "/inner/kept?again"] {
        let mut client = builder(&kit, &journal, path, "v2").connect().await.unwrap();
        client.send("hi").await;
        assert_eq!(client.text().await, "v2 hi", "{path}");
        client.close(CloseCode::NORMAL, "").await;
        client.terminated().await;
    }
    assert_eq!(journal.lines(), ["init v2", "terminate v2"].repeat(3));
}

#[tokio::test(start_paused = true)]
async fn another_handler_gets_the_connection_with_all_its_hooks_and_arguments() {
    let (kit, journal) = (kit(), Journal::new());
    let connecting = builder(&kit, &journal, "/devices/7", "v1").connect();
    let mut client = connecting.await.unwrap();
    client.send("hi").await;
    assert_eq!(client.text().await, "hello 7 hi");
    client.close(CloseCode::NORMAL, "").await;
    assert_ended(&client, &journal, CloseCause::ClientClosed, 1000, "").await;
    // No hook of the route's own handler was called.
    assert_eq!(journal.lines(), ["init v1", "terminate ClientClosed 1000"]);
}

#[tokio::test(start_paused = true)]
async fn another_handler_can_refuse_in_its_init() {
    let (kit, journal) = (kit(), Journal::new());
    let refused = refusal(builder(&kit, &journal, "/devices/0", "v1")).await;
    assert_eq!(refused, (410, "Gone".to_owned()));
    assert_eq!(journal.lines(), ["init v1"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_response_and_no_hook_is_called() {
    let (kit, journal) = (kit(), Journal::new());
    let refused = refusal(builder(&kit, &journal, "/devices/7", "")).await;
    assert_eq!(refused, (400, "offer v2 or v1".to_owned()));
    let refused = refusal(builder(&kit, &journal, "/simple?again", "")).await;
    assert_eq!(refused, (409, "Conflict".to_owned()));
    assert_eq!(journal.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn start_runs_after_every_other_check() {
    let (kit, journal) = (kit(), Journal::new());
    let builder = || builder(&kit, &journal, "/simple?again", "");
    assert_eq!(refusal(builder().header("origin", "null")).await.0, 403);
    assert_eq!(refusal(builder().without_header("upgrade")).await.0, 426);
    let broken = builder().header("sec-websocket-protocol", "a b");
    assert_eq!(refusal(broken).await.0, 400);
    assert_eq!(refusal(builder()).await.0, 409);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_or_a_panic_releases_the_permit() {
    let limits = ServerLimits::default().max_connections(Some(1));
    let kit = TestKit::with_limits(limits);
    let kit = kit.with_table(Routes::table(), "hello").unwrap();
    let journal = Journal::new();
    for (protocol, status) in [("", 400), ("v0", 500), ("broken", 500)] {
        let refused = refusal(builder(&kit, &journal, "/devices/7", protocol)).await;
        assert_eq!(refused.0, status);
        assert_eq!(kit.hub().connection_count(), 0);
    }
    // The connection that takes the permit keeps it, whichever handler it has.
    let client = builder(&kit, &journal, "/devices/7", "v1").connect().await;
    assert_eq!(
        refusal(builder(&kit, &journal, "/devices/7", "v2")).await.0,
        503
    );
    drop(client);
}

/// The only line at `error` of this request, and its response.
async fn error_of(protocol: &str) -> (u16, String, String) {
    let (captured, _guard) = Captured::begin();
    let (kit, journal) = (kit(), Journal::new());
    let (status, body) =
        refusal(builder(&kit, &journal, "/devices/7?token=secret", protocol)).await;
    assert!(!captured.text().contains("secret"), "{}", captured.text());
    let lines = captured.of(Level::ERROR);
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    (status, body, line.clone())
}

#[tokio::test(start_paused = true)]
async fn a_panic_or_an_error_of_start_is_a_logged_500() {
    let expected = |line: &str| {
        let spans = "websocket{route=\"/devices/{id: u64}\"}:hook{hook=\"start\"}";
        let line = format!("{spans}: {line}");
        (500, "Internal Server Error".to_owned(), line)
    };
    let panicked = "a hook panicked hook=\"start\" panic=\"of start\"";
    assert_eq!(error_of("v0").await, expected(panicked));
    let failed = "a hook failed hook=\"start\" error=of start";
    assert_eq!(error_of("broken").await, expected(failed));
}

#[test]
fn a_table_lists_which_routes_have_a_start_function() {
    let hub = Hub::default();
    let router = Routes::table().into_router("hello", &hub, &ws_server::limits::LimitOptions::NONE);
    let router = router.unwrap();
    let mut listed: Vec<_> = router
        .routes()
        .map(|route| (route.spec.name, route.spec.options.start))
        .collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        [("kept", false), ("simple", true), ("versions", true)]
    );
}

#[test]
fn debug_output_contains_the_decision() {
    struct Any;
    let decisions = [
        format!("{:?}", Start::<Any>::keep()),
        format!("{:?}", Start::<Any>::with::<V2>()),
        format!("{:?}", Start::<Any>::refuse(Refusal::GONE)),
    ];
    let refuse = format!("Refuse({:?})", Refusal::GONE);
    assert_eq!(decisions, ["Keep", "With", &refuse]);
}
