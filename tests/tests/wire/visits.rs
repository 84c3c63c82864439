//! Visits that the application drops without a response.

use tracing::Level;
use warp::Filter;
use ws_server::prelude::*;
use ws_tests::Captured;

use crate::browser::Browser;
use crate::client::Client;
use crate::running::{Reporter, Reports, Running};
use crate::site::Routes;

/// Reports when it is dropped.
struct ReportOnDrop(Reporter);

impl Drop for ReportOnDrop {
    fn drop(&mut self) {
        self.0.report("dropped");
    }
}

/// A server with one path that never responds, and one that drops its visit.
async fn forgetful() -> (Running, Reports) {
    let ws = Server::new(Routes::table()).build().unwrap();
    let (reporter, reports) = Reporter::new();
    let waits = warp::path("waits").and(ws.page());
    let waits = waits.then(move |visit: Visit, _: Page| {
        let held = (ReportOnDrop(reporter.clone()), visit);
        let reporter = reporter.clone();
        async move {
            // `visit` is declared last, so it is dropped first.
            let (_report_on_drop, visit) = held;
            reporter.report("waits");
            std::future::pending::<()>().await;
            visit.reply("never")
        }
    });
    let forgets = warp::path("forgets").and(ws.page());
    let forgets = forgets.map(|_: Visit, _: Page| "forgotten");
    let filter = ws.filter().or(waits).or(forgets);
    (Running::serve(ws, filter).await, reports)
}

#[tokio::test]
async fn a_visit_of_a_client_that_leaves_while_the_application_works_is_not_logged() {
    let (captured, _guard) = Captured::begin();
    let (server, mut reports) = forgetful().await;
    let mut client = Client::connect(server.address).await;
    client
        .send("GET /waits HTTP/1.1\r\nHost: example.com\r\n\r\n")
        .await;
    assert_eq!(reports.next().await, "waits");
    drop(client);
    assert_eq!(reports.next().await, "dropped");
    assert_eq!(captured.of(Level::WARN), [""; 0]);
    let mut browser = Browser::new(server.address);
    assert_eq!(browser.get("/forgets").await, "forgotten");
    let line = captured.only(Level::WARN);
    let expected = "a `Visit` was dropped without a response";
    assert!(
        line.contains(expected) && line.contains("visits=1"),
        "{line}"
    );
}
