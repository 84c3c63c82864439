//! Pages whose socket accepts nothing, on a route whose hooks have less time than `stall`.

use ws_server::CloseCause;

use super::*;

dispatch! {
    struct BriefRoutes;

    brief: "/brief" => PageStream { outbox: 32 KiB, hook_timeout: 5s };
}

#[tokio::test(start_paused = true)]
async fn a_stalled_page_is_closed_with_1013_even_if_hook_timeout_is_shorter_than_stall() {
    let kit = TestKit::new()
        .with_table(BriefRoutes::table(), NoState)
        .unwrap();
    let visitor = kit.visitor().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/brief", &page);
    tab.change_handshake = |builder| builder.network_capacity(1024);
    let mut tab = tab.connected().await;
    let start = tokio::time::Instant::now();
    for _ in 0..8 {
        assert_eq!(page.push("long", &"x".repeat(20_000)), 1);
    }
    let reason = tab.client().terminated().await;
    let closed = (
        reason.cause,
        reason.code.get(),
        crate::journal::seconds(start),
    );
    // 30 seconds of `stall`, then 5 for the answer to the Close.
    assert_eq!(closed, (CloseCause::Stalled, 1013, 35));
}
