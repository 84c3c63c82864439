//! The readiness of a server depends on its session store.

use tokio::time::{Instant, advance};
use ws_server::prelude::*;

use super::store::{Mode, Store};
use crate::journal::{seconds, secs};
use crate::quiet::Routes;

#[tokio::test(start_paused = true)]
async fn a_session_store_that_has_answered_makes_no_server_unready() {
    let store = Store::new();
    let server = Server::new(Routes::table()).session_store(store.clone());
    let health = server.build().unwrap().health();
    let ask = async || {
        let response = warp::test::request().path("/readyz").reply(&health).await;
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), text)
    };
    let ready = (200, "ready\n".to_owned());
    let not_ready = (503, "the session store does not answer\n".to_owned());
    let fault = (
        200,
        "ready, but the session store does not answer\n".to_owned(),
    );
    store.set(Mode::Fails);
    assert_eq!(ask().await, not_ready, "it has never answered");
    store.set(Mode::Works);
    advance(secs(1)).await;
    assert_eq!(store.asked(), 1);
    for _ in 0..10 {
        assert_eq!(ask().await, ready);
    }
    assert_eq!(store.asked(), 1, "an answer counts for a second");
    store.set(Mode::Fails);
    assert_eq!(ask().await, ready);
    advance(secs(1)).await;
    assert_eq!(ask().await, fault);
    store.set(Mode::Hangs);
    advance(secs(1)).await;
    let start = Instant::now();
    assert_eq!(ask().await, fault);
    assert_eq!(seconds(start), 5, "the limit `lookup_timeout`");
    store.set(Mode::Works);
    advance(secs(1)).await;
    assert_eq!(ask().await, ready);
}
