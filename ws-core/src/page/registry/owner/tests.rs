//! Claims that the log does not settle as usual.

use super::*;
use crate::page::stream::tests::new_stream;
use crate::testkit::Cluster;

const ATTEMPT: Attempt = Attempt {
    client: Some(7),
    number: Some(1),
};

#[tokio::test(start_paused = true)]
async fn a_stream_whose_claim_fails_ends_if_another_server_has_claimed_the_page_meanwhile() {
    let cluster = Cluster::new(1).await;
    let page = cluster.node(0).visitor().await.page();
    let stream = Arc::new(new_stream().await);
    let begin = || Claim {
        pages: page.pages(),
        stream: &stream,
        id: stream.begin_claim(ATTEMPT, false).unwrap(),
    };
    drop(begin());
    assert!(!stream.has_ended(), "no other server has claimed it");
    let claim = begin();
    let elsewhere = Attempt::default();
    assert_eq!(stream.contest(&elsewhere, |_| false), Contested::Undecided);
    drop(claim);
    assert!(stream.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_the_log_has_but_this_server_has_not_read_does_not_count() {
    let cluster = Cluster::new(1).await;
    let page = cluster.node(0).visitor().await.page();
    // As if the log had been replaced behind the claim: it is not read for this stream.
    let stream = Arc::new(new_stream().await);
    let report = PageReport {
        position: None,
        client: ATTEMPT.client,
        attempt: ATTEMPT.number,
        cursor: None,
    };
    let claimed = page.pages().claim(&stream, report, None).await;
    assert_eq!(claimed, Err(Unclaimed::LogUnavailable));
    assert!(!stream.is_owned());
}
