//! The page of a board inside an application of axum.

use ws_tests::Example;

use crate::script;

#[tokio::test]
async fn notes_reach_every_page_over_the_stream_and_over_http() {
    let axum = Example::start("axum", &[]).await;
    script::run("axum.mjs", &[&format!("http://{}/", axum.address)]).await;
}
