//! Limits of pages without a session.

use std::net::SocketAddr;
use std::time::Duration;

use ws_server::limits::Rate;
use ws_server::stats::RefusalReason;

use super::*;

fn limited(limits: PageLimits) -> (TestKit, Journal) {
    kit_of(Hub::new(ServerLimits::DEFAULT.pages(limits)))
}

/// The number of refusals for this reason.
fn refusals(kit: &TestKit, reason: RefusalReason) -> u64 {
    let all = kit.hub().stats().refused;
    all.iter().find(|(it, _)| *it == reason).unwrap().1
}

fn from(kit: &TestKit, query: &str, address: &str) -> ClientBuilder {
    let peer = SocketAddr::new(address.parse().unwrap(), 4000);
    with_query(kit, "/lamp", query).peer(peer)
}

#[tokio::test(start_paused = true)]
async fn an_address_begins_so_many_pages_in_a_time() {
    let rate = Rate::new(2, Duration::from_secs(60));
    let (kit, journal) = limited(PageLimits::DEFAULT.anonymous_rate(Some(rate)));
    let (own, _client) = welcome(from(&kit, "", "203.0.113.7")).await;
    let _second = welcome(from(&kit, "", "203.0.113.7")).await;
    // An id that is not valid needs a fresh page too.
    for query in ["", &format!("z_pid={}", "A".repeat(55))] {
        let refusal = from(&kit, query, "203.0.113.7")
            .connect()
            .await
            .unwrap_err();
        let expected = "this address begins too many pages without a session";
        assert_eq!((refusal.status().as_u16(), refusal.text()), (429, expected));
    }
    assert_eq!(refusals(&kit, RefusalReason::AnonymousRate), 2);
    assert_eq!(
        kit.hub().connection_count(),
        2,
        "a refused request has no permit"
    );
    // A page that returns begins none, and other addresses are not affected.
    let query = format!("z_pid={}", own["page"].as_str().unwrap());
    let _again = welcome(from(&kit, &query, "203.0.113.7")).await;
    let _other = welcome(from(&kit, "", "203.0.113.8")).await;
    tokio::time::advance(secs(30)).await;
    let _third = welcome(from(&kit, "", "203.0.113.7")).await;
    assert_eq!(journal.lines(), ["init no session New"; 4]);
}

#[tokio::test(start_paused = true)]
async fn past_the_limit_of_pages_the_oldest_without_a_connection_ends() {
    let (kit, _) = limited(PageLimits::DEFAULT.anonymous(3));
    let mut pages = Vec::new();
    for _ in 0..3 {
        pages.push(device(&kit, "/lamp").await);
    }
    pages[2].disconnect().await;
    pages[1].disconnect().await;
    let ada = kit.user("ada").await;
    let _rendered = kit.page("/lamp").visitor(&ada).connect().await.unwrap();
    assert_eq!(
        kit.hub().page_count(),
        4,
        "a page of a session does not count"
    );
    pages.push(device(&kit, "/lamp").await);
    let alive = |pages: &[TestPage]| -> Vec<_> {
        pages.iter().map(|page| page.page().push("n", &1)).collect()
    };
    assert_eq!(alive(&pages), [1, 0, 1, 1]);
    pages.push(device(&kit, "/lamp").await);
    assert_eq!(alive(&pages), [1, 0, 0, 1, 1]);
    let refusal = with_query(&kit, "/lamp", "").connect().await.unwrap_err();
    let expected = "the server has too many pages without a session";
    assert_eq!((refusal.status().as_u16(), refusal.text()), (503, expected));
    assert!(
        refusal
            .into_response()
            .headers()
            .contains_key("retry-after")
    );
    assert_eq!(refusals(&kit, RefusalReason::AnonymousPages), 1);
    // A page that has ended makes room.
    pages[0].bye().await;
    settle().await;
    let _last = device(&kit, "/lamp").await;
    assert_eq!(kit.hub().page_count(), 4);
}

/// A page that begins at this address, and has no connection any more. Its id.
async fn waiting(kit: &TestKit, address: &str) -> String {
    let (welcome, mut client) = welcome(from(kit, "", address)).await;
    client.reset().await;
    settle().await;
    welcome["page"].as_str().unwrap().to_owned()
}

/// Which of these pages are alive.
fn alive(kit: &TestKit, ids: &[&String]) -> Vec<usize> {
    let push = |id: &&String| kit.hub().page(id).unwrap().push("n", &1);
    ids.iter().map(push).collect()
}

#[tokio::test(start_paused = true)]
async fn a_network_that_begins_many_pages_displaces_its_own() {
    let (kit, _) = limited(PageLimits::DEFAULT.anonymous(4));
    let own = waiting(&kit, "203.0.113.7").await;
    let unknown = waiting(&kit, "10.0.0.1").await;
    let mut of_one = Vec::new();
    // The addresses of one /64 are one network.
    for host in 1..=6 {
        of_one.push(waiting(&kit, &format!("2001:db8:1:2::{host}")).await);
    }
    let of_one: Vec<&String> = of_one.iter().collect();
    assert_eq!(alive(&kit, &[&own, &unknown]), [1, 1]);
    assert_eq!(alive(&kit, &of_one), [0, 0, 0, 0, 1, 1]);
    let (older, newest) = (of_one[4], of_one[5]);
    // A network with fewer pages displaces the oldest of the largest.
    let new = waiting(&kit, "2001:db8:1:3::1").await;
    assert_eq!(
        alive(&kit, &[&own, &unknown, older, newest, &new]),
        [1, 1, 0, 1, 1]
    );
    // All have one page: the next one of a network displaces its own.
    let newer = waiting(&kit, "2001:db8:1:3::2").await;
    assert_eq!(
        alive(&kit, &[&own, &unknown, newest, &new, &newer]),
        [1, 1, 1, 0, 1]
    );
}

#[tokio::test(start_paused = true)]
async fn a_network_whose_pages_are_in_use_displaces_none_of_smaller_networks() {
    let (kit, _) = limited(PageLimits::DEFAULT.anonymous(3));
    let own = waiting(&kit, "203.0.113.7").await;
    let _first = welcome(from(&kit, "", "203.0.113.8")).await;
    let _second = welcome(from(&kit, "", "203.0.113.8")).await;
    let refusal = from(&kit, "", "203.0.113.8").connect().await.unwrap_err();
    assert_eq!(refusal.status(), 503);
    assert_eq!(alive(&kit, &[&own]), [1]);
    // One without a page gets a place.
    let other = waiting(&kit, "203.0.113.9").await;
    assert_eq!(alive(&kit, &[&own, &other]), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn pages_of_unknown_addresses_are_displaced_last() {
    let (kit, _) = limited(PageLimits::DEFAULT.anonymous(3));
    let [first, second] = [
        waiting(&kit, "10.0.0.1").await,
        waiting(&kit, "10.0.0.2").await,
    ];
    let known = waiting(&kit, "203.0.113.7").await;
    let third = waiting(&kit, "203.0.113.8").await;
    assert_eq!(
        alive(&kit, &[&first, &second, &known, &third]),
        [1, 1, 0, 1]
    );
    // Theirs are the most, so a further one displaces the oldest of them.
    let _fourth = waiting(&kit, "10.0.0.3").await;
    assert_eq!(alive(&kit, &[&first, &second, &third]), [0, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_first_handshake_is_refused_ends_at_once() {
    let (kit, journal) = kit();
    let refused = with_query(&kit, "/lamp", "").header("x-refused", "1");
    assert_eq!(refused.connect().await.unwrap_err().status(), 401);
    let protocol = kit.open("/lamp").connect().await.unwrap_err();
    assert_eq!(
        (protocol.status().as_u16(), kit.hub().page_count()),
        (400, 0)
    );
    // The same after its grace time: nothing waits for it.
    let mut lamp = device(&kit, "/lamp").await;
    lamp.disconnect().await;
    tokio::time::sleep(secs(30)).await;
    let query = format!("z_pid={}", lamp.page().id());
    let refused = with_query(&kit, "/lamp", &query).header("x-refused", "1");
    assert_eq!(refused.connect().await.unwrap_err().status(), 401);
    assert_eq!(kit.hub().page_count(), 0);
    // A page that waits is not affected.
    lamp.reconnect().await.unwrap();
    lamp.disconnect().await;
    let refused = with_query(&kit, "/lamp", &query).header("x-refused", "1");
    drop(refused.connect().await);
    settle().await;
    assert_eq!(kit.hub().page_count(), 1);
    assert_eq!(
        journal.lines(),
        [
            "init no session New",
            "terminate false",
            "init no session New"
        ]
    );
}
