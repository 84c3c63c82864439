//! Sessions of connections: admission, what hooks see, and the ends that close sockets.

use tokio::time::Instant;
use ws_core::testkit::{Received, TestClient, TestKit, TestVisitor};
use ws_server::CloseCause;
use ws_server::extract::FromHandshake;
use ws_server::extract::Opening;
use ws_server::limits::SessionLimits;
use ws_server::prelude::*;
use ws_server::session::{SessionOptions, Sessions};

use crate::journal::{seconds, secs, settle};

mod readiness;
mod store;

use store::{Mode, Store};

/// Sends its session, and runs the command in a message.
struct Who;

/// A description of the session.
fn describe(session: Option<&Session>) -> String {
    match session {
        None => "nobody".to_owned(),
        Some(session) => session.user().unwrap_or("a visitor").to_owned(),
    }
}

#[ws_handler]
impl Who {
    async fn init(socket: &Socket<Self>, session: Option<Session>, handshake: &Handshake) -> Self {
        let _ = socket.send(describe(session.as_ref()));
        if handshake
            .query()
            .is_some_and(|query| query.contains("slow"))
        {
            tokio::time::sleep(secs(5)).await;
        }
        Who
    }

    async fn message(
        &mut self,
        text: String,
        session: Option<Session>,
        hub: &Hub,
    ) -> Result<String, Close> {
        let user = describe(session.as_ref());
        match (&*text, session) {
            ("count", Some(session)) => {
                let count = session.get::<u32>("count").unwrap_or(0) + 1;
                session.insert("count", &count).await?;
                Ok(count.to_string())
            }
            ("end", Some(session)) => {
                hub.sessions().end(&session).await?;
                Ok("ended".to_owned())
            }
            _ => Ok(user),
        }
    }
}

/// Does not use the session.
struct Plain;

#[ws_handler]
impl Plain {
    fn init() -> Self {
        Plain
    }
}

/// Uses the session only in `terminate`.
struct Late;

#[ws_handler]
impl Late {
    fn init() -> Self {
        Late
    }

    fn terminate(self, _: Option<Session>) {}
}

/// An argument of the application that uses the visitor.
struct Name(String);

impl<'a, H, R> FromHandshake<'a, H, R> for Name {
    const VISITOR: bool = true;

    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        Ok(Self(describe(opening.handshake().session())))
    }
}

struct Named;

#[ws_handler]
impl Named {
    fn init(Name(name): Name, socket: &Socket<Self>) -> Self {
        let _ = socket.send(name);
        Named
    }
}

/// Accepts users, and hands other visitors to [`Who`].
fn by_user<R>(handshake: &Handshake) -> Start<R>
where
    Who: Handler<R>,
{
    match handshake.session().and_then(Session::user) {
        Some(_) => Start::keep(),
        None => Start::with::<Who>(),
    }
}

dispatch! {
    struct Routes;

    custom:   "/custom"   => Who;
    mobile:   "/mobile"   => Who { require_page: false };
    optional: "/optional" => Who { require_session: false };
    public:   "/public"   => Plain { require_session: false };
    late:     "/late"     => Late { require_session: false };
    named:    "/named"    => Named { require_session: false };
    chosen:   "/chosen"   => Plain { require_session: false, start: by_user };
}

fn kit_of(sessions: Sessions) -> TestKit {
    let kit = TestKit::with_sessions(sessions);
    kit.with_table(Routes::table(), ws_server::extract::NoState)
        .unwrap()
}

fn kit() -> TestKit {
    kit_of(Sessions::default())
}

/// A connection of this visitor, and its first message.
async fn opened(kit: &TestKit, path: &str, visitor: &TestVisitor) -> (TestClient, String) {
    let mut client = kit.open(path).visitor(visitor).connect().await.unwrap();
    let user = client.text().await;
    (client, user)
}

async fn status(builder: ws_core::testkit::ClientBuilder) -> u16 {
    let refusal = builder.connect().await.map(|_| ());
    refusal.map_or_else(|refusal| refusal.status().as_u16(), |()| 101)
}

/// Checks that it is closed with 4401, and that `terminate` got the reason.
async fn expired(mut client: TestClient, text: &str) {
    assert_eq!(
        client.closed().await,
        (CloseCode::UNAUTHORIZED, text.to_owned())
    );
    client.end().await;
    let reason = client.terminated().await;
    assert_eq!(
        (reason.cause, reason.code),
        (CloseCause::Expired, CloseCode::UNAUTHORIZED)
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_connects_as_a_user_as_a_visitor_or_anonymously() {
    let kit = kit();
    let (ada, visitor) = (kit.user("ada").await, kit.visitor().await);
    for (expected, path) in [("ada", "/custom"), ("ada", "/mobile"), ("ada", "/optional")] {
        let (mut client, user) = opened(&kit, path, &ada).await;
        assert_eq!(user, expected);
        client.send("who?").await;
        assert_eq!(client.text().await, expected, "in `message`, too");
    }
    let (_, user) = opened(&kit, "/custom", &visitor).await;
    assert_eq!(user, "a visitor");
    let mut client = kit
        .open("/mobile")
        .session(&visitor)
        .connect()
        .await
        .unwrap();
    assert_eq!(client.text().await, "a visitor");
    assert_eq!(status(kit.open("/custom").session(&visitor)).await, 403);
    assert_eq!(
        status(kit.open("/custom").session(&visitor).page(&ada.page())).await,
        403
    );
    assert_eq!(status(kit.open("/custom")).await, 403);
    let mut client = kit.open("/optional").connect().await.unwrap();
    assert_eq!(client.text().await, "nobody");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_looked_up_only_if_a_hook_uses_it() {
    let store = Store::new();
    let kit = kit_of(Sessions::new(
        SessionOptions::default().store(store.clone()),
    ));
    let ada = kit.user("ada").await;
    store.asked();
    let _client = kit.open("/public").visitor(&ada).connect().await.unwrap();
    let _nobody = kit.open("/optional").connect().await.unwrap();
    assert_eq!(store.asked(), 0);
    let (_, user) = opened(&kit, "/optional", &ada).await;
    assert_eq!(user, "ada");
    assert_ne!(store.asked(), 0);
    // The same for a session in `terminate`, and for one that the application's extractor uses.
    let _late = kit.open("/late").visitor(&ada).connect().await.unwrap();
    assert_ne!(store.asked(), 0);
    let (_, user) = opened(&kit, "/named", &ada).await;
    assert_eq!(user, "ada");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_causes_503_in_time() {
    let store = Store::new();
    let kit = kit_of(Sessions::new(
        SessionOptions::default().store(store.clone()),
    ));
    let ada = kit.user("ada").await;
    let (mut open, user) = opened(&kit, "/custom", &ada).await;
    assert_eq!(user, "ada");
    for (mode, waited) in [(Mode::Fails, 0), (Mode::Hangs, 5)] {
        store.set(mode);
        for path in ["/custom", "/mobile", "/optional"] {
            let start = Instant::now();
            let refused = kit.open(path).visitor(&ada).connect().await.unwrap_err();
            assert_eq!(
                (refused.status().as_u16(), refused.text(), seconds(start)),
                (503, "sessions are temporarily unavailable", waited),
                "{path} {mode:?}"
            );
        }
        assert_eq!(status(kit.open("/public").visitor(&ada)).await, 101);
        // If there is no cookie, there is no lookup.
        assert_eq!(status(kit.open("/custom")).await, 403);
        open.send("who?").await;
        assert_eq!(open.text().await, "ada");
    }
    store.set(Mode::Works);
    assert_eq!(status(kit.open("/custom").visitor(&ada)).await, 101);
}

#[tokio::test(start_paused = true)]
async fn a_failed_change_of_a_value_closes_with_1011_and_hides_the_error() {
    let store = Store::new();
    let kit = kit_of(Sessions::new(
        SessionOptions::default().store(store.clone()),
    ));
    let ada = kit.user("ada").await;
    let (mut client, user) = opened(&kit, "/custom", &ada).await;
    assert_eq!(user, "ada");
    client.send("count").await;
    assert_eq!(client.text().await, "1");
    store.set(Mode::Fails);
    client.send("count").await;
    assert_eq!(
        client.closed().await,
        (CloseCode::INTERNAL_ERROR, String::new())
    );
    assert_eq!(ada.session().get("count"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn values_are_shared_by_the_sockets_of_a_session() {
    let kit = kit();
    let (ada, bob) = (kit.user("ada").await, kit.user("bob").await);
    let mut counts = Vec::new();
    for visitor in [&ada, &ada, &bob, &ada] {
        let (mut client, _) = opened(&kit, "/custom", visitor).await;
        client.send("count").await;
        counts.push(client.text().await);
    }
    assert_eq!(counts, ["1", "2", "1", "3"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_user_closes_the_users_sockets_at_once() {
    let kit = kit();
    let (first, second, bob) = (
        kit.user("ada").await,
        kit.user("ada").await,
        kit.user("bob").await,
    );
    let mut clients = Vec::new();
    for visitor in [&first, &first, &second, &bob] {
        let (client, _) = opened(&kit, "/custom", visitor).await;
        clients.push(client);
    }
    let start = Instant::now();
    assert_eq!(kit.hub().sessions().end_user("ada").await.unwrap(), 2);
    let mut others = clients.pop().unwrap();
    for client in clients {
        expired(client, "the session has ended").await;
    }
    assert_eq!(start.elapsed(), secs(0));
    others.send("who?").await;
    assert_eq!(others.text().await, "bob");
    assert_eq!(status(kit.open("/custom").visitor(&first)).await, 403);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_ends_its_own_session_sends_nothing_more() {
    let kit = kit();
    let ada = kit.user("ada").await;
    let (mut client, user) = opened(&kit, "/custom", &ada).await;
    assert_eq!(user, "ada");
    client.send("end").await;
    expired(client, "the session has ended").await;
    assert!(!ada.session().is_current());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_while_init_runs_closes_the_connection_when_it_opens() {
    let kit = kit();
    let ada = kit.user("ada").await;
    let builder = kit.open("/custom?slow").visitor(&ada);
    let opening = tokio::spawn(builder.connect());
    settle().await;
    assert!(kit.hub().sessions().end(ada.session()).await.unwrap());
    let mut client = opening.await.unwrap().unwrap();
    assert_eq!(client.text().await, "ada");
    expired(client, "the session has ended").await;
}

#[tokio::test(start_paused = true)]
async fn a_session_in_use_ends_at_its_lifetime() {
    let limits = SessionLimits::DEFAULT.lifetime(secs(100));
    let kit = kit_of(Sessions::new(SessionOptions::new(limits)));
    let ada = kit.user("ada").await;
    let start = Instant::now();
    tokio::time::sleep(secs(10)).await;
    let (mut client, user) = opened(&kit, "/custom", &ada).await;
    assert_eq!(user, "ada");
    // The application's expiry applies only if it is earlier than that of the session.
    client.socket::<Who>().expire_at(start + secs(200));
    for _ in 0..8 {
        tokio::time::sleep(secs(10)).await;
        client.send("who?").await;
        assert_eq!(client.text().await, "ada");
    }
    expired(client, "expired").await;
    assert_eq!(seconds(start), 100);
    assert_eq!(status(kit.open("/custom").visitor(&ada)).await, 403);

    let ada = kit.user("ada").await;
    let (client, user) = opened(&kit, "/custom", &ada).await;
    assert_eq!(user, "ada");
    let start = Instant::now();
    client.socket::<Who>().expire_at(start + secs(20));
    expired(client, "expired").await;
    assert_eq!(seconds(start), 20);
}

#[tokio::test(start_paused = true)]
async fn idle_time_ends_a_session_unless_a_socket_is_open() {
    let kit = kit();
    let idle = SessionLimits::DEFAULT.idle;
    let ada = kit.user("ada").await;
    tokio::time::sleep(idle.saturating_sub(secs(1))).await;
    let (mut client, user) = opened(&kit, "/custom", &ada).await;
    assert_eq!(user, "ada");
    let until = Instant::now() + idle * 3;
    while Instant::now() < until {
        if let Received::Ping(payload) = client.receive().await {
            client
                .send_frame(ws_core::protocol::OpCode::Pong, true, &payload)
                .await;
        }
    }
    assert_eq!(kit.hub().sessions().count().await.unwrap(), 1);
    client.close(CloseCode::NORMAL, "").await;
    client.terminated().await;
    tokio::time::sleep(idle.saturating_sub(secs(1))).await;
    assert_eq!(kit.hub().sessions().count().await.unwrap(), 1);
    tokio::time::sleep(secs(1)).await;
    assert_eq!(status(kit.open("/custom").visitor(&ada)).await, 403);
}

#[tokio::test(start_paused = true)]
async fn a_start_function_and_the_handler_it_chooses_get_the_visitor() {
    let kit = kit();
    let (ada, visitor) = (kit.user("ada").await, kit.visitor().await);
    let (_, user) = opened(&kit, "/chosen", &visitor).await;
    assert_eq!(user, "a visitor");
    let mut client = kit.open("/chosen").connect().await.unwrap();
    assert_eq!(client.text().await, "nobody");
    let mut client = kit.open("/chosen").visitor(&ada).connect().await.unwrap();
    settle().await;
    assert_eq!(client.received_so_far().await, []);
}

/// An attacker who planted a session gets no data of the user who logs on with it.
#[tokio::test(start_paused = true)]
async fn a_planted_session_gets_no_data_of_the_user() {
    let kit = kit();
    let planter = kit.visitor().await;
    let (mut socket, user) = opened(&kit, "/custom", &planter).await;
    assert_eq!(user, "a visitor");
    let mut victim = planter.clone();
    victim.logon("ada").await;
    victim.session().insert("count", &41).await.unwrap();
    let (mut own, user) = opened(&kit, "/custom", &victim).await;
    assert_eq!(user, "ada");
    own.send("count").await;
    assert_eq!(own.text().await, "42");
    socket.send("who?").await;
    assert_eq!(socket.text().await, "a visitor");
    assert_eq!(status(kit.open("/custom").visitor(&planter)).await, 403);
    // It changes nothing either.
    socket.send("count").await;
    assert_eq!(socket.closed().await.0, CloseCode::UNAUTHORIZED);
    assert_eq!(victim.session().get("count"), Some(42));
}
