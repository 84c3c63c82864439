//! Pages of other sites.

use ws_tests::Example;

use crate::script;

#[tokio::test]
async fn a_page_of_another_site_cannot_connect() {
    let greeter = Example::start("greeter", &[]).await;
    let port = greeter.address.port().to_string();
    script::run(
        "cross_site.mjs",
        &[&port, "/socket/custom", "/socket/without-session"],
    )
    .await;
}
