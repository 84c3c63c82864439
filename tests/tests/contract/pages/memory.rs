//! All pages together hold a bounded number of bytes, and each address has a bounded number of
//! pages.

use std::net::SocketAddr;

use super::handlers::pressure::{Floods, padded};
use super::*;

const MIB: usize = 1024 * 1024;

fn few_bytes() -> PageLimits {
    PageLimits::DEFAULT.all_bytes(8 * MIB)
}

fn kit_of(pages: PageLimits) -> TestKit {
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.pages(pages));
    kit.with_table(Floods::table(), NoState).unwrap()
}

/// A page that disconnects and leaves a megabyte of its handler's messages in its queue.
async fn hoard(kit: &TestKit) -> Tab {
    let visitor = kit.visitor().await;
    let mut tab = Tab::new(kit, &visitor, "/flood").connected().await;
    tab.acknowledges = false;
    tab.send("1 1000000").await;
    assert_eq!(tab.next().await, TabEvent::Text(padded(0, 1_000_000)));
    tab.disconnect().await;
    tab
}

#[tokio::test(start_paused = true)]
async fn pages_that_disconnect_with_large_queues_stay_within_the_limit_of_all_pages() {
    let limits = few_bytes();
    let kit = kit_of(limits);
    let visitor = kit.visitor().await;
    let page = visitor.page();
    let mut bystander = Tab::of(&kit, &visitor, "/flood", &page).connected().await;
    let mut tabs = Vec::new();
    for n in 0..40_u64 {
        tabs.push(hoard(&kit).await);
        let bytes = kit.hub().page_bytes();
        assert!(bytes <= limits.all_bytes, "{bytes} after {n}");
        assert_eq!(page.push("n", &n), 1);
        assert_eq!(bystander.received_so_far().await, numbers([n]));
    }
    assert_eq!(kit.hub().page_count(), 41, "handlers and pages go on");
    // The page that has waited longest was dropped first, and gets a reset; the last one was not.
    let mut last = tabs.pop().unwrap();
    last.acknowledges = true;
    last.offset = 0;
    last.connect().await.unwrap();
    assert_eq!(
        last.received_so_far().await,
        [TabEvent::Text(padded(0, 1_000_000))]
    );
    let mut first = tabs.swap_remove(0);
    first.offset = 0;
    first.connect().await.unwrap();
    assert_eq!(
        first.received_so_far().await,
        [TabEvent::Reset("overflow".to_owned())]
    );
    first.acknowledges = true;
    first.send("1 5").await;
    assert_eq!(
        first.received_so_far().await,
        [TabEvent::Text(padded(0, 5))]
    );
}

#[tokio::test(start_paused = true)]
async fn slow_connected_pages_are_reset_and_fast_ones_are_not() {
    let limits = few_bytes();
    let kit = kit_of(limits);
    let visitor = kit.visitor().await;
    let page = visitor.page();
    let mut bystander = Tab::of(&kit, &visitor, "/flood", &page).connected().await;
    let mut lazy = Vec::new();
    for _ in 0..20 {
        let visitor = kit.visitor().await;
        let mut tab = Tab::new(&kit, &visitor, "/flood").connected().await;
        tab.acknowledges = false;
        tab.send("20 40000").await;
        tab.received_so_far().await;
        lazy.push(tab);
        let bytes = kit.hub().page_bytes();
        assert!(bytes <= limits.all_bytes, "{bytes}");
        assert_eq!(page.push("n", &1_u64), 1);
        assert_eq!(bystander.received_so_far().await, numbers([1]));
    }
    let mut resets = 0;
    for tab in &mut lazy {
        let got = tab.received_so_far().await;
        resets += usize::from(got.contains(&TabEvent::Reset("overflow".to_owned())));
    }
    assert!(resets > 0);
}

/// Connects a page of a new visitor from this address.
async fn from_address(kit: &TestKit, address: SocketAddr) -> (Tab, Result<(), (u16, String)>) {
    let visitor = kit.visitor().await;
    let page = visitor.page();
    let mut tab = Tab::of(kit, &visitor, "/flood", &page);
    PEER.set(address);
    tab.change_handshake = |builder| builder.peer(PEER.get());
    let connected = tab.connect().await;
    (tab, connected)
}

thread_local! {
    /// The address of the next client of this test.
    static PEER: std::cell::Cell<SocketAddr> =
        const { std::cell::Cell::new(SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1)) };
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_an_address_are_limited() {
    let kit = kit_of(PageLimits::DEFAULT.per_address(2));
    let here: SocketAddr = "203.0.113.7:4711".parse().unwrap();
    let (mut first, connected) = from_address(&kit, here).await;
    assert_eq!(connected, Ok(()));
    let (_second, connected) = from_address(&kit, here).await;
    assert_eq!(connected, Ok(()));
    let (_, connected) = from_address(&kit, here).await;
    let refused = (429, "this address has too many pages".to_owned());
    assert_eq!(connected, Err(refused));
    // Other addresses have a limit of their own.
    let (_other, connected) = from_address(&kit, "203.0.113.8:1".parse().unwrap()).await;
    assert_eq!(connected, Ok(()));
    for port in 1..=4 {
        let neighbour = SocketAddr::new("10.0.0.1".parse().unwrap(), port);
        let (tab, connected) = from_address(&kit, neighbour).await;
        assert_eq!(connected, Ok(()), "a private address may be a proxy");
        drop(tab);
    }
    // A page without a connection is evicted.
    let count = kit.hub().page_count();
    first.disconnect().await;
    let (_third, connected) = from_address(&kit, here).await;
    assert_eq!(connected, Ok(()));
    assert_eq!(kit.hub().page_count(), count);
    PEER.set(here);
    let (status, _) = first.connect().await.unwrap_err();
    assert_eq!(status, 429, "it was evicted, and the limit is reached");
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_a_trusted_proxys_own_address_are_limited() {
    let kit = kit_of(PageLimits::DEFAULT.per_address(1));
    let kit = kit.trusted_proxies(["10.0.0.0/8"]);
    let proxy: SocketAddr = "10.0.0.1:4711".parse().unwrap();
    let (_first, connected) = from_address(&kit, proxy).await;
    assert_eq!(connected, Ok(()));
    let (_, connected) = from_address(&kit, proxy).await;
    let refused = (429, "this address has too many pages".to_owned());
    assert_eq!(connected, Err(refused));
}

/// The page of the handshake was rendered for no address.
#[tokio::test(start_paused = true)]
async fn a_refused_handshake_evicts_no_other_page() {
    let kit = kit_of(PageLimits::DEFAULT.per_address(1));
    let here: SocketAddr = "203.0.113.7:4711".parse().unwrap();
    let (mut first, connected) = from_address(&kit, here).await;
    assert_eq!(connected, Ok(()));
    first.disconnect().await;
    let visitor = kit.visitor().await;
    for path in ["/flood", "/stream"] {
        let mut second = Tab::of(&kit, &visitor, path, &visitor.page());
        second.change_handshake = |builder| builder.peer(PEER.get());
        second.offset = 99;
        assert_eq!(second.connect().await.unwrap_err().0, 400, "{path}");
    }
    assert_eq!(kit.hub().page_count(), 3);
    first.connect().await.unwrap();
    assert_eq!(first.received_so_far().await, [], "no reset");
}
