//! The page of the example `secure`.

use ws_tests::Example;

use crate::script;

#[tokio::test]
async fn the_page_and_its_socket_use_http2() {
    let secure = Example::start("secure", &[]).await;
    let url = format!("https://{}/", secure.address);
    script::run("secure.mjs", &[&url]).await;
}
