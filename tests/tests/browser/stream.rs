//! Streams of pages: the client in a browser, with the example and with a server for tests.

use ws_tests::program;

use crate::{script, server};

/// Runs a script that starts the example by itself, and may kill it.
async fn run_with_example(name: &str) {
    let program = program("stream").await;
    script::run(name, &[program.to_str().unwrap()]).await;
}

#[tokio::test]
async fn pushes_reach_their_pages_in_order_and_a_logon_and_a_logoff_reach_every_tab() {
    run_with_example("stream_pushes.mjs").await;
}

#[tokio::test]
async fn a_page_survives_a_restart_of_the_server_and_says_so() {
    run_with_example("stream_restart.mjs").await;
}

#[tokio::test]
async fn a_duplicated_tab_takes_the_page_and_the_older_goes_on_under_another_id() {
    run_with_example("stream_duplicate.mjs").await;
}

#[tokio::test]
async fn a_page_that_was_away_goes_on_without_loss() {
    run_with_example("stream_away.mjs").await;
}

#[tokio::test]
async fn each_message_arrives_once_and_in_order_both_ways_over_twenty_cuts() {
    let url = server::start().await;
    script::run("stream_cuts.mjs", &[&url]).await;
}

#[tokio::test]
async fn a_refused_handshake_shows_its_reason() {
    let url = server::start().await;
    script::run("stream_refused.mjs", &[&url]).await;
}

#[tokio::test]
async fn a_stream_may_be_compressed() {
    let url = server::start().await;
    script::run("stream_deflate.mjs", &[&url]).await;
}

#[tokio::test]
async fn a_whole_application_works_below_a_base_path() {
    let url = server::start_below_live().await;
    script::run("stream_base.mjs", &[&url]).await;
}
