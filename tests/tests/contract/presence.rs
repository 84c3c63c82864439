//! Members of topics: entering, leaving, watching, and their limits.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use ws_core::testkit::{OpCode, Received, TestClient, TestKit};
use ws_server::limits::{Limits, PresenceLimits, ServerLimits};
use ws_server::prelude::*;
use ws_server::topic::MembersEvent;
use ws_server::{CloseCause, EnterError};

use crate::journal::{Journal, limits, secs, settle};

mod bounds;
mod floods;
mod limits;
mod topics;

use topics::{Lobby, Room};

/// The shortest time between two events.
const TICK: Duration = PresenceLimits::DEFAULT.tick;
/// How long a member that has left is shown.
const LINGER: Duration = PresenceLimits::DEFAULT.linger;
/// Longer than it takes until a member that leaves is no longer shown: its leaving may wait for the
/// end of a tick.
const GONE: Duration = Duration::from_secs(3);

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    name: String,
}

fn member(name: &str) -> Member {
    let name = name.to_owned();
    Member { name }
}

type Event = MembersEvent<Member>;

/// The mailbox type.
enum Mail {
    Members(Event),
}

impl From<Event> for Mail {
    fn from(event: Event) -> Self {
        Mail::Members(event)
    }
}

/// A member of rooms. Notes the events that it listens to.
struct Guest(Journal);

#[ws_handler]
impl Guest {
    fn init(journal: Journal) -> Self {
        Guest(journal)
    }

    fn message(&mut self, command: String) {
        assert_ne!(command, "panic", "on command");
    }

    fn info(&mut self, Mail::Members(event): Mail) {
        let json = serde_json::to_string(&event).unwrap();
        self.0.note(json);
    }
}

fn with_presence(presence: PresenceLimits) -> TestKit {
    TestKit::with_limits(ServerLimits::DEFAULT.presence(presence))
}

async fn connect(kit: &TestKit) -> TestClient {
    let builder = Journal::new().client::<Guest>(kit);
    builder.connect().await.unwrap()
}

fn enter(client: &TestClient, key: &str, name: &str) {
    client.socket::<Guest>().enter(&Room(7), key, member(name));
}

fn watch(client: &TestClient) {
    client.socket::<Guest>().watch(&Room(7));
}

fn members(kit: &TestKit) -> Vec<(String, Member)> {
    kit.hub().members(&Room(7))
}

fn pairs(names: &[&str]) -> Vec<(String, Member)> {
    let pair = |name: &&str| ((*name).to_owned(), member(name));
    names.iter().map(pair).collect()
}

fn snapshot(names: &[&str]) -> Event {
    let members = pairs(names);
    let topic = "room/7".to_owned();
    MembersEvent::Snapshot {
        topic,
        members,
        stale: false,
    }
}

fn changes(entered: &[&str], changed: Vec<(String, Member)>, left: &[&str]) -> Event {
    MembersEvent::Changes {
        topic: "room/7".to_owned(),
        entered: pairs(entered),
        changed,
        left: left.iter().map(|key| (*key).to_owned()).collect(),
        stale: false,
    }
}

fn entered(names: &[&str]) -> Event {
    changes(names, vec![], &[])
}

fn left(names: &[&str]) -> Event {
    changes(&[], vec![], names)
}

/// Checks that nothing arrives within this time.
async fn assert_quiet(client: &mut TestClient, time: Duration) {
    tokio::time::sleep(time).await;
    assert_eq!(client.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_gets_a_snapshot_and_then_every_change() {
    let kit = TestKit::new();
    let [mut ada, mut bob] = [connect(&kit).await, connect(&kit).await];
    enter(&ada, "ada", "ada");
    watch(&ada);
    let json = r#"{"presence":"snapshot","topic":"room/7","members":[["ada",{"name":"ada"}]]}"#;
    assert_eq!(ada.text().await, json);
    enter(&bob, "bob", "bob");
    watch(&bob);
    // The first change after a quiet time is sent at once.
    assert_eq!(ada.json::<Event>().await, entered(&["bob"]));
    assert_eq!(bob.json::<Event>().await, snapshot(&["ada", "bob"]));
    tokio::time::sleep(TICK).await;
    let now = Instant::now();
    enter(&bob, "bob", "Bob");
    let bob_changed = changes(&[], vec![("bob".to_owned(), member("Bob"))], &[]);
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.json::<Event>().await, bob_changed);
    }
    assert_eq!(now.elapsed(), Duration::ZERO);
    assert!(bob.socket::<Guest>().leave(&Room(7)));
    assert_eq!(ada.json::<Event>().await, left(&["bob"]));
    assert_eq!(bob.json::<Event>().await, left(&["bob"]));
    assert!(!bob.socket::<Guest>().leave(&Room(7)));
    assert_eq!(members(&kit), pairs(&["ada"]));
}

#[tokio::test(start_paused = true)]
async fn changes_within_a_tick_are_one_event() {
    let kit = TestKit::new();
    let mut watcher = connect(&kit).await;
    watch(&watcher);
    assert_eq!(watcher.json::<Event>().await, snapshot(&[]));
    let guest = connect(&kit).await;
    let now = Instant::now();
    enter(&guest, "a", "a");
    assert_eq!(watcher.json::<Event>().await, entered(&["a"]));
    for key in ["c", "b"] {
        enter(&guest, key, key);
    }
    // Known at once, and shown at the end of the tick.
    assert_eq!(members(&kit), pairs(&["a", "b", "c"]));
    assert_eq!(watcher.received_so_far().await, []);
    assert_eq!(watcher.json::<Event>().await, entered(&["b", "c"]));
    assert_eq!(now.elapsed().as_millis() / 10, TICK.as_millis() / 10);
}

#[tokio::test(start_paused = true)]
async fn tabs_of_one_user_are_one_member() {
    let kit = TestKit::new();
    let mut watcher = connect(&kit).await;
    let [mut first, mut second] = [connect(&kit).await, connect(&kit).await];
    enter(&first, "ada", "ada");
    enter(&second, "ada", "ada");
    watch(&watcher);
    assert_eq!(watcher.json::<Event>().await, snapshot(&["ada"]));
    assert_eq!(kit.hub().member_count(&Room(7)), 1);
    first.close(CloseCode::NORMAL, "").await;
    assert_quiet(&mut watcher, LINGER * 2).await;
    let now = Instant::now();
    second.close(CloseCode::NORMAL, "").await;
    assert_eq!(watcher.json::<Event>().await, left(&["ada"]));
    assert!(now.elapsed() >= LINGER && now.elapsed() < LINGER + TICK);
}

#[tokio::test(start_paused = true)]
async fn a_reload_shows_nothing() {
    let kit = TestKit::new();
    let mut watcher = connect(&kit).await;
    watch(&watcher);
    watcher.json::<Event>().await;
    for name in ["ada", "ada", "Ada"] {
        let mut page = connect(&kit).await;
        enter(&page, "ada", name);
        tokio::time::sleep(TICK * 2).await;
        page.end().await;
        tokio::time::sleep(LINGER / 2).await;
        assert_eq!(kit.hub().member_count(&Room(7)), 1);
    }
    assert_eq!(watcher.json::<Event>().await, entered(&["ada"]));
    let changed = changes(&[], vec![("ada".to_owned(), member("Ada"))], &[]);
    assert_eq!(watcher.json::<Event>().await, changed);
    assert_eq!(watcher.json::<Event>().await, left(&["ada"]));
    assert_eq!(members(&kit), []);
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_connection_leaves() {
    for end in ["reset", "end", "close", "panic", "server"] {
        let kit = TestKit::new();
        let mut guest = connect(&kit).await;
        enter(&guest, "ada", "ada");
        guest.socket::<Guest>().enter(&Lobby, "ada", 1);
        match end {
            "reset" => guest.reset().await,
            "end" => guest.end().await,
            "close" => guest.close(CloseCode::NORMAL, "").await,
            "panic" => guest.send("panic").await,
            _ => guest.socket::<Guest>().close(Close::normal("bye")),
        }
        guest.terminated().await;
        tokio::time::sleep(GONE).await;
        assert_eq!(members(&kit), [], "{end}");
        assert_eq!(kit.hub().member_count(&Lobby), 0, "{end}");
        let late = guest.socket::<Guest>();
        let entered = late.try_enter(&Room(7), "ada", member("ada"));
        assert_eq!(entered, Err(EnterError::Closed));
        late.enter(&Room(7), "ada", member("ada"));
        late.watch(&Room(7));
        assert_eq!(members(&kit), [], "{end}");
    }
}

/// Enters, and then refuses the handshake.
struct Refusing;

#[ws_handler]
impl Refusing {
    fn init(socket: &Socket<Self>) -> Result<Self, Refusal> {
        socket.enter(&Room(7), "ada", member("ada"));
        socket.watch(&Room(7));
        Err(Refusal::FORBIDDEN)
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_init_leaves() {
    let kit = TestKit::new();
    let refused = kit.handler::<Refusing>().connect().await.unwrap_err();
    assert_eq!(refused.status(), 403);
    tokio::time::sleep(GONE).await;
    assert_eq!(members(&kit), []);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_leaves() {
    let kit = TestKit::new();
    let [ada, mut bob] = [connect(&kit).await, connect(&kit).await];
    enter(&ada, "ada", "ada");
    watch(&bob);
    bob.json::<Event>().await;
    let hub = kit.hub().clone();
    let now = Instant::now();
    hub.shutdown(secs(20)).await;
    assert!(now.elapsed() < secs(10), "the members do not delay it");
    tokio::time::sleep(GONE).await;
    assert_eq!(members(&kit), []);
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_have_several_keys_and_topics() {
    let kit = TestKit::new();
    let guest = connect(&kit).await;
    let socket = guest.socket::<Guest>();
    for key in ["b", "a", "c"] {
        enter(&guest, key, key);
    }
    socket.enter(&Room(8), "a", member("a"));
    socket.enter(&Lobby, "a", 5);
    assert_eq!(members(&kit), pairs(&["a", "b", "c"]));
    assert_eq!(kit.hub().members(&Lobby), [("a".to_owned(), 5)]);
    assert_eq!(kit.hub().member(&Lobby, "a"), Some(5));
    assert_eq!(kit.hub().member(&Lobby, "b"), None);
    assert!(socket.leave_key(&Room(7), "b"));
    assert!(!socket.leave_key(&Room(7), "b"));
    tokio::time::sleep(GONE).await;
    assert_eq!(members(&kit), pairs(&["a", "c"]));
    assert!(socket.leave(&Room(7)));
    tokio::time::sleep(GONE).await;
    assert_eq!(members(&kit), []);
    assert_eq!(kit.hub().members(&Room(8)), pairs(&["a"]));
}

#[tokio::test(start_paused = true)]
async fn a_handler_gets_the_events_in_info() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let client = journal.client::<Guest>(&kit).connect().await.unwrap();
    let socket = client.socket::<Guest>();
    enter(&client, "ada", "ada");
    socket.listen_members(&Room(7));
    socket.listen_members(&Room(7));
    tokio::time::sleep(TICK).await;
    enter(&client, "bob", "bob");
    settle().await;
    let events = journal.lines();
    let events: Vec<Event> = events
        .iter()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(events, [snapshot(&["ada"]), entered(&["bob"])]);
    assert!(!socket.unwatch(&Room(7)), "the client does not watch");
    assert!(socket.unlisten_members(&Room(7)));
    assert!(!socket.unlisten_members(&Room(7)));
    tokio::time::sleep(TICK).await;
    enter(&client, "eve", "eve");
    tokio::time::sleep(TICK).await;
    assert_eq!(journal.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn watching_twice_changes_nothing_and_unwatch_ends_it() {
    let kit = TestKit::new();
    let mut client = connect(&kit).await;
    watch(&client);
    watch(&client);
    assert_eq!(client.json::<Event>().await, snapshot(&[]));
    enter(&client, "ada", "ada");
    assert_eq!(client.json::<Event>().await, entered(&["ada"]));
    let socket = client.socket::<Guest>();
    assert!(socket.unwatch(&Room(7)));
    assert!(!socket.unwatch(&Room(7)));
    enter(&client, "bob", "bob");
    assert_quiet(&mut client, secs(10)).await;
    watch(&client);
    assert_eq!(client.json::<Event>().await, snapshot(&["ada", "bob"]));
}

#[tokio::test(start_paused = true)]
async fn a_page_lists_the_members_behind_a_key() {
    let kit = TestKit::new();
    let guest = connect(&kit).await;
    for key in ["e", "a", "d", "b", "c"] {
        enter(&guest, key, key);
    }
    let page = |after, limit| kit.hub().members_page(&Room(7), after, limit);
    assert_eq!(page(None, 2), pairs(&["a", "b"]));
    assert_eq!(page(Some("b"), 2), pairs(&["c", "d"]));
    assert_eq!(page(Some("bb"), 9), pairs(&["c", "d", "e"]));
    assert_eq!(page(Some("e"), 9), []);
    assert_eq!(page(None, 0), []);
}

/// A member that is encoded, but not decoded.
#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_decode_is_missing() {
    let kit = TestKit::new();
    let mut client = connect(&kit).await;
    let socket = client.socket::<Guest>();
    socket.enter(&topics::Odd, "ada", topics::WriteOnly);
    assert!(kit.hub().members(&topics::Odd).is_empty());
    assert_eq!(kit.hub().member_count(&topics::Odd), 1);
    socket.watch(&topics::Odd);
    let json = r#"{"presence":"snapshot","topic":"odd","members":[["ada",null]]}"#;
    assert_eq!(client.text().await, json);
}

/// The last known members of a client, from its events.
fn apply(known: &mut BTreeMap<String, Member>, event: Event) {
    match event {
        MembersEvent::Snapshot { members, .. } => *known = members.into_iter().collect(),
        MembersEvent::Changes {
            entered,
            changed,
            left,
            ..
        } => {
            for (key, member) in entered {
                assert_eq!(known.insert(key, member), None);
            }
            for (key, member) in changed {
                assert!(known.insert(key, member).is_some());
            }
            for key in left {
                assert!(known.remove(&key).is_some());
            }
        }
        event => panic!("{event:?}"),
    }
}

/// The events that have arrived. Answers pings.
async fn events(client: &mut TestClient) -> Vec<Event> {
    let mut events = Vec::new();
    for received in client.received_so_far().await {
        match received {
            Received::Message(Message::Text(text)) => {
                events.push(serde_json::from_str(&text).unwrap());
            }
            Received::Ping(payload) => client.send_frame(OpCode::Pong, true, &payload).await,
            other => panic!("{other:?}"),
        }
    }
    events
}
