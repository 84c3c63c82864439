//! The page of the greeter.

use ws_tests::Example;

use crate::script;

#[tokio::test]
async fn the_page_of_the_greeter_shows_its_greeting_and_what_is_said() {
    let greeter = Example::start("greeter", &[]).await;
    let url = format!("http://{}/", greeter.address);
    script::run("greeter.mjs", &[&url, "/socket/custom"]).await;
}
