//! The time within which the pages of a server return after an abrupt end.

use serde_json::json;
use ws_server::limits::PageLimits;

use super::served;
use crate::journal::secs;
use crate::tab::{Tab, TabEvent};

/// Opens a number of pages, and returns `spread` in `welcome` and in `pong` of the last one.
async fn spread(pages: usize, limits: PageLimits) -> [Option<u64>; 2] {
    let (kit, visitor) = served(limits.per_session(pages)).await;
    for _ in 1..pages {
        kit.hub().open_page(visitor.session()).unwrap();
    }
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send_raw(&json!({"type": "ping"})).await;
    let TabEvent::Other(pong) = tab.next().await else {
        panic!("no answer to the ping");
    };
    assert_eq!(pong["type"], "pong");
    [tab.spread, pong["spread"].as_u64()]
}

#[tokio::test(start_paused = true)]
async fn a_server_with_many_pages_spreads_their_return_after_an_abrupt_end() {
    let limits = PageLimits::DEFAULT;
    assert_eq!(spread(1_999, limits).await, [None; 2]);
    assert_eq!(spread(3_000, limits).await, [Some(1_500); 2]);
    let shorter = limits.spread(secs(1));
    assert_eq!(spread(3_000, shorter).await, [Some(1_000); 2]);
    let none = limits.spread(secs(0));
    assert_eq!(spread(3_000, none).await, [None; 2]);
}
