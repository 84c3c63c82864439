//! Pages that return after their stream has ended, with a cursor.

use std::time::Duration;

use ws_server::page::Resumed;
use ws_server::testkit::{PageReceived, ResetReason, TestPage};

use super::*;

mod cursors;

use cursors::CursorTab;

topics! {
    /// The lines of a room.
    Room:  "lines/{id: u32}" => u64 { history: 10, keep: 10m };
    /// Lines that are not kept.
    Plain: "plain" => u64;
    Live:  "live" => u64 { relay: live };
}

/// A page that shows two rooms.
struct Chat;

#[ws_handler]
impl Chat {
    fn init(resumed: Resumed, page: Page) -> Result<Self, Refusal> {
        let first = resumed.reason();
        resumed.subscribe("one", Room(1).replay(3))?;
        resumed.subscribe("two", &Room(2))?;
        page.subscribe("live", Live)?;
        page.push("init", &format!("{first:?} {:?}", resumed.reason()));
        Ok(Chat)
    }

    fn message(&mut self, text: String, page: Page) -> Result<String, Close> {
        match &*text {
            "panic" => panic!("as the test wants"),
            "plain" => page.subscribe("plain", Plain).map_err(|_| Close::NORMAL)?,
            _ => {}
        }
        Ok(text)
    }
}

/// A page that shows a room and nothing else.
struct Quiet;

#[ws_handler]
impl Quiet {
    fn init(resumed: Resumed) -> Result<Self, Refusal> {
        resumed.subscribe("one", Room(1).replay(3))?;
        Ok(Quiet)
    }

    fn message(&mut self, _: String) {}
}

/// A page whose handler does not restore it.
struct Careless;

#[ws_handler]
impl Careless {
    fn init() -> Self {
        Careless
    }

    fn message(&mut self, _: String) {}
}

dispatch! {
    struct Chats;

    chat:     "/chat"     => Chat { attach: page };
    quiet:    "/quiet" => Quiet { attach: page };
    careless: "/careless" => Careless { attach: page };
    stream:   "/stream"   => PageStream;
}

async fn chats() -> (TestKit, TestVisitor) {
    let kit = TestKit::new().with_table(Chats::table(), NoState).unwrap();
    let visitor = kit.visitor().await;
    (kit, visitor)
}

fn publish(kit: &TestKit, room: u32, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let _ = kit.hub().publish(Room(room), &number);
    }
}

fn pushed(name: &str, data: impl Into<serde_json::Value>) -> PageReceived {
    PageReceived::Event(name.to_owned(), data.into())
}

fn all(name: &str, numbers: impl IntoIterator<Item = u64>) -> Vec<PageReceived> {
    let pushed = |number| pushed(name, number);
    numbers.into_iter().map(pushed).collect()
}

fn init(reasons: &str) -> PageReceived {
    pushed("init", reasons)
}

const AWAY: Duration = Duration::from_secs(60);

/// Longer than the grace time.
async fn away(page: &mut TestPage) {
    page.disconnect().await;
    tokio::time::sleep(AWAY).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_returns_after_its_end_gets_exactly_what_it_missed() {
    let (kit, visitor) = chats().await;
    publish(&kit, 1, 1..=5);
    let mut page = kit.page("/chat").visitor(&visitor).connect().await.unwrap();
    let mut expected = all("one", 3..=5);
    expected.push(init("New New"));
    assert_eq!(page.received_so_far().await, expected);
    publish(&kit, 2, [1]);
    publish(&kit, 1, [6]);
    let expected = [pushed("two", 1), pushed("one", 6)];
    assert_eq!(page.received_so_far().await, expected);
    for round in 0..3 {
        let at = 7 + 3 * round;
        page.disconnect().await;
        // Queued, but never received.
        publish(&kit, 1, [at]);
        tokio::time::sleep(AWAY).await;
        assert_eq!(kit.hub().page_count(), 0);
        publish(&kit, 1, [at + 1, at + 2]);
        page.reconnect().await.unwrap();
        let mut expected = all("one", at..at + 3);
        expected.push(init("Continued Continued"));
        assert_eq!(page.received_so_far().await, expected);
    }
    // And within the grace time.
    page.disconnect().await;
    publish(&kit, 2, [2]);
    page.reconnect().await.unwrap();
    assert_eq!(page.received_so_far().await, [pushed("two", 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_publish_between_rendering_and_connecting_arrives() {
    let (kit, visitor) = chats().await;
    publish(&kit, 2, 1..=3);
    let rendered = visitor.page();
    publish(&kit, 2, 4..=5);
    // Also if the page loads so slowly that its stream has ended.
    for wait in [Duration::ZERO, AWAY] {
        let rendered = if wait.is_zero() {
            rendered.clone()
        } else {
            visitor.page()
        };
        publish(&kit, 2, [6]);
        tokio::time::sleep(wait).await;
        let page = kit.page("/chat").visitor(&visitor).page(&rendered);
        let mut page = page.connect().await.unwrap();
        let expected = if wait.is_zero() { 4..=6 } else { 6..=6 };
        let mut expected = all("two", expected);
        expected.push(init("New New"));
        assert_eq!(page.received_so_far().await, expected);
    }
}

/// The numbers of parts of the places in a message: 1 if a place is unknown.
fn parts(message: &serde_json::Value) -> Vec<usize> {
    let places = message["at"].as_str().unwrap().split('-');
    places.map(|place| place.split('.').count()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_within_a_replay_causes_a_reset_and_no_gap() {
    let (kit, visitor) = chats().await;
    publish(&kit, 1, 1..=3);
    for received in 0..=3 {
        let mut tab = CursorTab::new(&kit, &visitor, &visitor.page());
        tab.path = "/quiet";
        tab.connect().await;
        for number in 0..received {
            let event = tab.next().await;
            assert_eq!(event["data"], 1 + number);
            assert_eq!(parts(&event), [1], "unknown while messages may follow");
        }
        if received == 3 {
            let pong = tab.next().await;
            assert_eq!(pong["type"], "pong");
            assert!(parts(&pong).iter().all(|parts| *parts == 4), "{pong}");
        }
        tab.lose().await;
        tab.connect().await;
        match received {
            // The page has received nothing, so it begins with the replay.
            0 => {}
            3 => {
                publish(&kit, 1, [9]);
                assert_eq!(tab.next().await["data"], 9);
                break;
            }
            _ => assert_eq!(tab.next().await["why"], "restart"),
        }
        for number in 1..=3 {
            assert_eq!(tab.next().await["data"], number);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_no_longer_kept_cause_one_reset_and_all_topics_begin_again() {
    let (kit, visitor) = chats().await;
    let mut page = kit.page("/chat").visitor(&visitor).connect().await.unwrap();
    publish(&kit, 1, [1]);
    publish(&kit, 2, [1]);
    page.received_so_far().await;
    away(&mut page).await;
    publish(&kit, 1, 2..=5);
    // The history has ten messages.
    publish(&kit, 2, 2..=20);
    page.reconnect().await.unwrap();
    assert_eq!(page.reset().await, ResetReason::Restart);
    let mut expected = all("one", 3..=5);
    expected.push(init("Continued Lost"));
    assert_eq!(page.received_so_far().await, expected);
    publish(&kit, 2, [21]);
    assert_eq!(page.received_so_far().await, [pushed("two", 21)]);
    // From now on it continues again.
    away(&mut page).await;
    publish(&kit, 2, [22]);
    page.reconnect().await.unwrap();
    let expected = [pushed("two", 22), init("Continued Continued")];
    assert_eq!(page.received_so_far().await, expected);
}

/// Whether a page gets a reset if this happens before or while it is away.
async fn loses(before: impl AsyncFnOnce(&TestKit, &mut TestPage)) -> bool {
    let (kit, visitor) = chats().await;
    let mut page = kit.page("/chat").visitor(&visitor).connect().await.unwrap();
    publish(&kit, 1, [1]);
    page.received_so_far().await;
    before(&kit, &mut page).await;
    page.received_so_far().await;
    away(&mut page).await;
    page.reconnect().await.unwrap();
    let received = page.received_so_far().await;
    let lost = received.contains(&PageReceived::Reset(ResetReason::Restart));
    let reasons = if lost {
        "Lost Lost"
    } else {
        "Continued Continued"
    };
    assert!(received.contains(&init(reasons)), "{received:?}");
    lost
}

#[tokio::test(start_paused = true)]
async fn whatever_cannot_be_continued_causes_a_reset() {
    assert!(!loses(async |_, _| {}).await);
    // An accepted push that was not delivered.
    let push = async |_: &TestKit, page: &mut TestPage| {
        page.disconnect().await;
        page.page().push("n", &1);
    };
    assert!(loses(push).await);
    let live = async |kit: &TestKit, page: &mut TestPage| {
        page.disconnect().await;
        kit.hub().publish(Live, &1);
    };
    assert!(!loses(live).await, "`relay: live` is best effort");
    // A topic without a history.
    assert!(loses(async |_, page| page.send("plain").await).await);
    // The state of the handler.
    assert!(loses(async |_, page| page.send("panic").await).await);
    let text = async |_: &TestKit, page: &mut TestPage| page.send("echo").await;
    assert!(!loses(text).await);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_restore_its_page_causes_a_reset() {
    let (kit, visitor) = chats().await;
    let page = kit.page("/careless").visitor(&visitor);
    let mut page = page.connect().await.unwrap();
    away(&mut page).await;
    page.reconnect().await.unwrap();
    assert_eq!(page.reset().await, ResetReason::Restart);
}

#[tokio::test(start_paused = true)]
async fn a_page_without_a_handler_continues_the_subscriptions_of_its_session() {
    let (kit, visitor) = chats().await;
    visitor.session().subscribe("one", Room(1)).unwrap();
    let page = kit.page("/stream").visitor(&visitor);
    let mut page = page.connect().await.unwrap();
    publish(&kit, 1, [1]);
    assert_eq!(page.received_so_far().await, all("one", [1]));
    page.disconnect().await;
    publish(&kit, 1, [2]);
    tokio::time::sleep(AWAY).await;
    publish(&kit, 1, [3]);
    page.reconnect().await.unwrap();
    assert_eq!(page.received_so_far().await, all("one", 2..=3));
    away(&mut page).await;
    publish(&kit, 1, 4..=20);
    page.reconnect().await.unwrap();
    assert_eq!(page.reset().await, ResetReason::Restart);
    publish(&kit, 1, [21]);
    assert_eq!(page.received_so_far().await, all("one", [21]));
    // Its own subscriptions end with it.
    page.page().subscribe("two", Room(2)).unwrap();
    away(&mut page).await;
    page.reconnect().await.unwrap();
    assert_eq!(page.reset().await, ResetReason::Restart);
}

/// A tab that the browser restores runs another script, with the HTML of the page: its position and
/// its cursor are those of the rendering.
#[tokio::test(start_paused = true)]
async fn a_restored_tab_gets_a_reset_if_it_does_not_have_what_the_script_before_has_acknowledged() {
    let (kit, visitor) = chats().await;
    visitor.session().subscribe("one", Room(1)).unwrap();
    let connect = async |rendered: &Page| {
        let page = kit.page("/stream").visitor(&visitor).page(rendered);
        page.connect().await.unwrap()
    };
    // The history has all that is missing.
    let rendered = visitor.page();
    let mut before = connect(&rendered).await;
    publish(&kit, 1, [1]);
    assert_eq!(before.received_so_far().await, all("one", [1]));
    away(&mut before).await;
    let mut restored = connect(&rendered).await;
    assert_eq!(restored.received_so_far().await, all("one", [1]));
    // A push is in no history.
    let rendered = visitor.page();
    let mut before = connect(&rendered).await;
    before.page().push("n", &1);
    assert_eq!(before.received_so_far().await, all("n", [1]));
    tokio::time::sleep(secs(1)).await;
    away(&mut before).await;
    let mut restored = connect(&rendered).await;
    assert_eq!(restored.reset().await, ResetReason::Restart);
    assert_eq!(restored.received_so_far().await, []);
    // The script that has received it continues.
    let mut page = connect(&visitor.page()).await;
    page.page().push("n", &2);
    assert_eq!(page.received_so_far().await, all("n", [2]));
    tokio::time::sleep(secs(1)).await;
    away(&mut page).await;
    page.reconnect().await.unwrap();
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn after_a_logon_a_page_gets_nothing_from_before() {
    let (kit, mut visitor) = chats().await;
    let mut page = kit.page("/chat").visitor(&visitor).connect().await.unwrap();
    publish(&kit, 2, [1]);
    page.received_so_far().await;
    page.disconnect().await;
    publish(&kit, 2, [2]);
    visitor.logon("ada").await;
    publish(&kit, 2, [3]);
    page.set_visitor(&visitor);
    page.reconnect().await.unwrap();
    assert_eq!(page.reset().await, ResetReason::Restart);
    assert_eq!(page.received_so_far().await, [init("Lost Lost")]);
    away(&mut page).await;
    publish(&kit, 2, [4]);
    page.reconnect().await.unwrap();
    let expected = [pushed("two", 4), init("New New")];
    assert_eq!(page.received_so_far().await, expected);
}
