//! The pages of the rooms.

use ws_tests::Example;

use crate::script;

#[tokio::test]
async fn two_visitors_see_each_other_get_badges_and_one_is_removed() {
    let chat = Example::start("chat", &[]).await;
    let url = format!("http://{}/", chat.address);
    script::run("chat.mjs", &[&url]).await;
}
