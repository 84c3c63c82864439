//! `Page::end`: the application ends a page.

use ws_server::page::Resumed;
use ws_server::testkit::{PageReceived, ResetReason};

use super::*;
use crate::journal::Journal;

topics! {
    News: "news" => u64;
}

struct Desk {
    journal: Journal,
}

#[ws_handler]
impl Desk {
    fn init(State(journal): State<Journal>, resumed: Resumed) -> Self {
        journal.note(format!("init {:?}", resumed.reason()));
        Desk { journal }
    }

    fn message(&mut self, text: String) -> String {
        text
    }

    fn terminate(self) {
        self.journal.note("terminate");
    }
}

dispatch! {
    struct Desks;
    state: Journal;

    desk: "/desk" => Desk { attach: page };
    lamp: "/lamp" => Desk { attach: page, require_session: false };
}

fn kit() -> (TestKit, Journal) {
    let journal = Journal::new();
    let kit = TestKit::table(Desks::table(), journal.clone()).unwrap();
    (kit, journal)
}

fn removed() -> Close {
    Close::new(CloseCode::POLICY, "removed by a moderator")
}

#[tokio::test(start_paused = true)]
async fn an_ended_page_is_closed_and_its_handler_terminates() {
    let (kit, journal) = kit();
    let mut page = kit.page("/desk").connect().await.unwrap();
    page.page().subscribe("news", News).unwrap();
    page.send("hello").await;
    assert_eq!(page.text().await, "hello");
    assert!(page.page().end(removed()));
    let (code, reason) = page.closed().await;
    assert_eq!(
        (code, &*reason),
        (CloseCode::POLICY, "removed by a moderator")
    );
    settle().await;
    assert_eq!(journal.lines(), ["init New", "terminate"]);
    let hub = kit.hub();
    assert_eq!((hub.page_count(), hub.connection_count()), (0, 0));
    assert_eq!(hub.publish(News, &1).reached(), 0);
    assert_eq!(page.page().push("n", &1), 0);
    assert!(!page.page().end(removed()), "it has ended");
    // The id stays valid: the page begins again.
    page.reconnect().await.unwrap();
    assert_eq!((journal.lines().len(), hub.page_count()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_ended_page_is_dropped() {
    let (kit, journal) = kit();
    let mut lamp = kit.page("/lamp").without_cookies().connect().await.unwrap();
    lamp.disconnect().await;
    let page = kit.hub().page(lamp.page().id()).unwrap();
    assert_eq!(page.push("n", &1), 1);
    assert!(page.end(Close::GOING_AWAY));
    settle().await;
    assert_eq!((kit.hub().page_count(), kit.hub().page_bytes()), (0, 0));
    assert_eq!(journal.lines(), ["init New", "terminate"]);
    lamp.reconnect().await.unwrap();
    assert_eq!(lamp.reset().await, ResetReason::Restart);
    page.push("n", &2);
    let event = PageReceived::Event("n".to_owned(), 2.into());
    assert_eq!(lamp.received_so_far().await, [event]);
}

#[tokio::test(start_paused = true)]
async fn a_handle_from_before_a_logon_ends_no_page_of_the_new_session() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let ada = kit.hub().sessions();
    let (renewed, _) = ada
        .renew(visitor.session(), Some("ada".to_owned()))
        .await
        .unwrap();
    assert_eq!(renewed.push("n", &1_u64), 0, "the page has not come yet");
    let moved = kit.hub().find_page(&renewed, page.id()).unwrap();
    moved.subscribe("news", News).unwrap();
    assert!(!page.end(removed()));
    assert_eq!(kit.hub().page_count(), 1);
    assert!(moved.end(removed()));
    assert_eq!(kit.hub().page_count(), 0);
    tab.disconnect().await;
}
