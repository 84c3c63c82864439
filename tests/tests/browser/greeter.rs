//! The page of the greeter.

use ws_tests::Example;

use crate::script;

#[tokio::test]
async fn the_page_shows_the_greeting_and_the_echo() {
    let greeter = Example::start("greeter", &[]).await;
    let url = format!("http://{}/", greeter.address);
    script::run("greeter.mjs", &[&url, "/socket/custom"]).await;
}
