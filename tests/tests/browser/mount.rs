//! The page of a room.

use ws_tests::Example;

use crate::script;

#[tokio::test]
async fn who_logs_on_speaks_under_their_name_and_a_logoff_reaches_every_tab() {
    let mount = Example::start("mount", &[]).await;
    let url = format!("http://{}/?room=7", mount.address);
    script::run("mount.mjs", &[&url]).await;
}
