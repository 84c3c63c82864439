//! Connections that end in a shutdown, or because their place is needed.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_half_a_head() {
    let mut silent = rig().await;
    let mut half = rig().await;
    half.send("GET /now HTTP/1.1\r\nho").await;
    let mut kept = rig().await;
    kept.ask("now", "now").await;
    let mut half_of_a_later_one = rig().await;
    half_of_a_later_one.ask("now", "now").await;
    half_of_a_later_one.send("GET /").await;
    let mut busy = rig().await;
    busy.send(&get("later")).await;
    sleep(Duration::from_secs(1)).await;
    for rig in [&silent, &half, &kept, &half_of_a_later_one, &busy] {
        rig.draining.cancel();
    }
    for rig in [&mut silent, &mut half, &mut kept, &mut half_of_a_later_one] {
        assert_eq!(rig.lived().await, (Duration::from_secs(1), 0));
    }
    busy.read_until("later").await;
    assert_about(busy.lived().await.0, Duration::from_secs(60 * 60));
}

/// A request that has arrived, and that the server has not read yet, counts as complete.
#[tokio::test(start_paused = true)]
async fn a_shutdown_answers_a_request_that_has_just_arrived() {
    let mut rig = rig().await;
    rig.send(&get("now")).await;
    rig.draining.cancel();
    rig.read_until("now").await;
    assert_eq!(rig.lived().await, (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_has_been_silent_longest_gives_its_place_up() {
    let places = Places::new(&LIMITS);
    let mut first = serve(place(&places).await);
    let mut second = serve(place(&places).await);
    for rig in [&mut second, &mut first] {
        rig.ask("now", "now").await;
        sleep(Duration::from_secs(1)).await;
    }
    let mut third = serve(place(&places).await);
    assert_eq!(second.lived().await, (Duration::from_secs(2), 0));
    third.ask("now", "now").await;
    first.ask("now", "now").await;
    // Now the third has been silent longest.
    let _fourth = place(&places).await;
    assert_eq!(third.lived().await, (Duration::ZERO, 0));
    assert!(!first.served.is_finished());
}

#[tokio::test(start_paused = true)]
async fn an_evicted_connection_that_does_not_read_its_answers_is_cut_after_a_second() {
    let places = Places::new(&LIMITS);
    let mut reads_nothing = serve(place(&places).await);
    let heads = get("now").replace("GET", "HEAD").repeat(200);
    reads_nothing.send(&heads).await;
    sleep(HEAD).await;
    let _second = place(&places).await;
    let _third = place(&places).await;
    let (lived, held) = reads_nothing.lived().await;
    assert_about(lived, HEAD + Duration::from_secs(1));
    assert_eq!(held, PIPE);
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_request_keeps_its_place_until_it_is_answered() {
    let places = Places::new(&LIMITS);
    let mut works = serve(place(&places).await);
    works.send(&get("later")).await;
    let mut begins = serve(place(&places).await);
    let waits = tokio::spawn({
        let places = places.clone();
        async move { place(&places).await }
    });
    // The first connection is answered and does not become silent.
    begins.ask("now", "now").await;
    let _third = waits.await.unwrap();
    assert_eq!(begins.lived().await, (Duration::ZERO, 0));
    works.read_until("later").await;
    works.ask("now", "now").await;
}
