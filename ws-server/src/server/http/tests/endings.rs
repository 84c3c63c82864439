//! Connections that end in a shutdown, or because their permit is needed.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_half_a_head() {
    let mut silent = open_connection().await;
    let mut half = open_connection().await;
    half.send("GET /now HTTP/1.1\r\nho").await;
    let mut kept = open_connection().await;
    kept.request("now", "now").await;
    let mut half_of_a_later_one = open_connection().await;
    half_of_a_later_one.request("now", "now").await;
    half_of_a_later_one.send("GET /").await;
    let mut busy = open_connection().await;
    busy.send(&get("later")).await;
    sleep(Duration::from_secs(1)).await;
    for connection in [&silent, &half, &kept, &half_of_a_later_one, &busy] {
        connection.draining.cancel();
    }
    for connection in [&mut silent, &mut half, &mut kept, &mut half_of_a_later_one] {
        assert_eq!(connection.lived().await, (Duration::from_secs(1), 0));
    }
    busy.read_until("later").await;
    assert_about(busy.lived().await.0, Duration::from_secs(60 * 60));
}

/// A request that has arrived, and that the server has not read yet, counts as complete.
#[tokio::test(start_paused = true)]
async fn a_request_that_arrives_just_before_a_shutdown_gets_a_response() {
    let mut connection = open_connection().await;
    connection.send(&get("now")).await;
    connection.draining.cancel();
    connection.read_until("now").await;
    assert_eq!(connection.lived().await, (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn the_longest_silent_connection_gives_up_its_permit() {
    let permits = HttpPermits::new(&LIMITS);
    let mut first = serve(permit(&permits).await);
    let mut second = serve(permit(&permits).await);
    for connection in [&mut second, &mut first] {
        connection.request("now", "now").await;
        sleep(Duration::from_secs(1)).await;
    }
    let mut third = serve(permit(&permits).await);
    assert_eq!(second.lived().await, (Duration::from_secs(2), 0));
    third.request("now", "now").await;
    first.request("now", "now").await;
    // Now the third has been silent longest.
    let _fourth = permit(&permits).await;
    assert_eq!(third.lived().await, (Duration::ZERO, 0));
    assert!(!first.served.is_finished());
}

#[tokio::test(start_paused = true)]
async fn an_evicted_connection_that_does_not_read_its_responses_is_cut_after_a_second() {
    let permits = HttpPermits::new(&LIMITS);
    let mut reads_nothing = serve(permit(&permits).await);
    let heads = get("now").replace("GET", "HEAD").repeat(200);
    reads_nothing.send(&heads).await;
    sleep(HEAD).await;
    let _second = permit(&permits).await;
    let _third = permit(&permits).await;
    let (lived, held) = reads_nothing.lived().await;
    assert_about(lived, HEAD + Duration::from_secs(1));
    assert_eq!(held, PIPE);
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_request_keeps_its_permit_until_its_response() {
    let permits = HttpPermits::new(&LIMITS);
    let mut works = serve(permit(&permits).await);
    works.send(&get("later")).await;
    let mut begins = serve(permit(&permits).await);
    let waits = tokio::spawn({
        let permits = permits.clone();
        async move { permit(&permits).await }
    });
    // The first connection gets its response and does not become silent.
    begins.request("now", "now").await;
    let _third = waits.await.unwrap();
    assert_eq!(begins.lived().await, (Duration::ZERO, 0));
    works.read_until("later").await;
    works.request("now", "now").await;
}
