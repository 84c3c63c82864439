//! The page of a room.

use ws_tests::Example;

use crate::script;

#[tokio::test]
async fn messages_carry_the_users_name_and_a_logoff_reaches_every_tab() {
    let mount = Example::start("mount", &[]).await;
    let url = format!("http://{}/?room=7", mount.address);
    script::run("mount.mjs", &[&url]).await;
}
