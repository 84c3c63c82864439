//! Page streams: the client in a browser, with the example and with the server for tests.

use ws_tests::program;

use crate::{script, server};

/// Runs a script that starts the example itself, and may kill it.
async fn run_with_example(name: &str) {
    let program = program("stream").await;
    script::run(name, &[program.to_str().unwrap()]).await;
}

#[tokio::test]
async fn pushes_arrive_in_order_and_every_tab_notices_a_logon_and_a_logoff() {
    run_with_example("stream_pushes.mjs").await;
}

#[tokio::test]
async fn a_page_recovers_from_a_restart_of_the_server_with_a_reset() {
    run_with_example("stream_restart.mjs").await;
}

#[tokio::test]
async fn a_duplicated_tab_takes_the_page_and_the_older_tab_gets_another_id() {
    run_with_example("stream_duplicate.mjs").await;
}

#[tokio::test]
async fn a_page_that_was_away_continues_without_loss() {
    run_with_example("stream_away.mjs").await;
}

#[tokio::test]
async fn messages_arrive_once_and_in_order_in_both_directions_over_twenty_cuts() {
    let url = server::start().await;
    script::run("stream_cuts.mjs", &[&url]).await;
}

#[tokio::test]
async fn a_page_that_was_away_for_longer_than_its_grace_shows_each_message_once() {
    let url = server::start_impatient().await;
    script::run("stream_returns.mjs", &[&url]).await;
}

#[tokio::test]
async fn a_refused_handshake_shows_its_reason() {
    let url = server::start().await;
    script::run("stream_refused.mjs", &[&url]).await;
}

#[tokio::test]
async fn a_compressed_stream_delivers_every_message() {
    let url = server::start().await;
    script::run("stream_deflate.mjs", &[&url]).await;
}

#[tokio::test]
async fn messages_arrive_once_and_in_order_over_switches_between_http_and_websockets() {
    let url = server::start_over_http().await;
    script::run("stream_http.mjs", &[&url]).await;
}

#[tokio::test]
async fn a_proxy_that_buffers_responses_is_reported_and_loses_nothing() {
    let url = server::start_over_http().await;
    script::run("stream_buffered.mjs", &[&url]).await;
}

#[tokio::test]
async fn http_is_used_only_if_it_is_forced_or_handshakes_are_not_answered() {
    let url = server::start_over_http().await;
    script::run("stream_transport.mjs", &[&url]).await;
}

#[tokio::test]
async fn a_whole_application_works_below_a_base_path() {
    let url = server::start_below_live().await;
    script::run("stream_base.mjs", &[&url]).await;
}
