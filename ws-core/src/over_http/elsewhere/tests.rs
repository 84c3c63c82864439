use std::future::poll_fn;

use futures::future::join;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep};

use super::super::tests::{owner, take_permit};
use super::super::up;
use super::*;
use crate::hub::ClusterOptions;
use crate::over_http::{Attachments, ResponseLines};
use crate::testkit::Cluster;

fn own() -> Owner {
    owner("P", 1, "/stream")
}

/// A stream on the server 0, whose connection reads bodies if it is let.
struct TestStream {
    token: String,
    attachments: Arc<Attachments>,
    /// The frames of the bodies that the connection has read.
    read: mpsc::UnboundedReceiver<Vec<u8>>,
    connection: Option<tokio::task::JoinHandle<()>>,
    io: Option<crate::outbox::Io>,
    _lines: ResponseLines,
    sender: mpsc::UnboundedSender<Vec<u8>>,
}

impl TestStream {
    fn new(cluster: &Cluster) -> Self {
        let hub = cluster.node(0).hub();
        let attachments = Arc::<Attachments>::default();
        let permit = take_permit(hub).unwrap();
        let (io, lines) = attachments.attach(hub, own(), usize::MAX, permit);
        let token = attachments.lock().keys().next().unwrap().clone();
        let (sender, read) = mpsc::unbounded_channel();
        Self {
            token,
            attachments,
            read,
            connection: None,
            io: Some(io),
            _lines: lines,
            sender,
        }
    }

    /// A stream whose connection reads everything.
    fn reading(cluster: &Cluster) -> Self {
        let mut stream = Self::new(cluster);
        stream.read_from_now_on();
        stream
    }

    fn read_from_now_on(&mut self) {
        let (mut io, sender) = (self.io.take().unwrap(), self.sender.clone());
        self.connection = Some(tokio::spawn(async move {
            loop {
                let mut buf = vec![0; 2 * 1024 * 1024];
                let read = poll_fn(|cx| io.get_mut().poll_read(cx, &mut buf)).await;
                buf.truncate(read.unwrap());
                if buf.is_empty() || sender.send(buf).is_err() {
                    return;
                }
            }
        }));
    }

    /// The lines that the connection has read since the last call.
    fn lines(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(read) = self.read.try_recv() {
            all.extend_from_slice(&read);
        }
        all
    }

    fn end(&mut self) {
        self.io = None;
        if let Some(connection) = self.connection.take() {
            connection.abort();
        }
    }

    /// Sends a POST to a server that does not have the stream.
    async fn post(&self, hub: &Hub, number: u64, body: &str) -> Result<(), PostError> {
        let post = PostElsewhere::begin(hub, &self.token, &own())?;
        post.send(PostNumber::new(number), body.into()).await
    }
}

/// Servers that know each other.
async fn cluster(nodes: usize) -> Cluster {
    let cluster = Cluster::new(nodes).await;
    cluster.settle().await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn posts_that_reach_other_servers_are_read_once_and_in_their_order() {
    let cluster = cluster(3).await;
    let mut stream = TestStream::reading(&cluster);
    let mut expected = Vec::new();
    for number in 1..=20 {
        let hub = cluster.node(1 + usize::from(number % 2 == 0)).hub();
        let body = format!("{number}a\n{number}b");
        assert_eq!(stream.post(hub, number, &body).await, Ok(()), "{number}");
        expected.extend_from_slice(&up::frames(body.as_bytes()));
        // The server of the stream takes others between them.
        if number % 5 == 0 {
            let found = stream.attachments.find(&stream.token, &own()).unwrap();
            let turn = found.turn().await.unwrap();
            assert_eq!(turn.send(None, b"here").await, Ok(()));
            expected.extend_from_slice(&up::frames(b"here"));
        }
    }
    assert_eq!(stream.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn two_posts_of_a_server_keep_their_order() {
    let cluster = cluster(2).await;
    let mut stream = TestStream::reading(&cluster);
    for round in 0..10 {
        let (first, second) = (2 * round + 1, 2 * round + 2);
        let hub = cluster.node(1).hub();
        let (a, b) = (first.to_string(), second.to_string());
        let both = join(stream.post(hub, first, &a), stream.post(hub, second, &b));
        assert_eq!(both.await, (Ok(()), Ok(())));
        let expected = format!("{a}\n{b}");
        assert_eq!(stream.lines(), up::frames(expected.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_entry_is_not_confirmed_is_read_once_although_it_is_repeated() {
    let cluster = cluster(2).await;
    let mut stream = TestStream::reading(&cluster);
    let hub = cluster.node(1).hub();
    cluster.cut_in_next_append(1);
    assert_eq!(
        stream.post(hub, 1, "one").await,
        Err(PostError::Unavailable)
    );
    assert_eq!(
        stream.lines(),
        up::frames(b"one"),
        "the entry is in the log"
    );
    cluster.heal(1);
    cluster.settle().await;
    assert_eq!(stream.post(hub, 1, "one").await, Ok(()));
    assert_eq!(stream.post(hub, 2, "two").await, Ok(()));
    // Too late: an earlier number.
    assert_eq!(stream.post(hub, 1, "one").await, Ok(()));
    assert_eq!(stream.lines(), up::frames(b"two"));
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_outcome_is_lost_is_read_once_although_it_is_repeated() {
    let cluster = cluster(2).await;
    let mut stream = TestStream::reading(&cluster);
    let hub = cluster.node(1).hub();
    // The server of the stream reads the entry later than the other one waits.
    cluster.cut(0);
    assert_eq!(
        stream.post(hub, 1, "one").await,
        Err(PostError::Unavailable)
    );
    assert_eq!(stream.lines(), b"");
    cluster.heal(0);
    cluster.settle().await;
    assert_eq!(stream.lines(), up::frames(b"one"));
    assert_eq!(stream.post(hub, 1, "one").await, Ok(()));
    assert_eq!(stream.lines(), b"");
    // The log has the outcome, but its server does not know that.
    cluster.cut_in_next_append(0);
    assert_eq!(stream.post(hub, 2, "two").await, Ok(()));
    assert_eq!(stream.lines(), up::frames(b"two"));
}

#[tokio::test(start_paused = true)]
async fn a_post_of_another_page_session_or_route_is_refused_and_not_logged() {
    let cluster = cluster(2).await;
    let mut stream = TestStream::reading(&cluster);
    let hub = cluster.node(1).hub();
    let token = stream.token.clone();
    let before = cluster.server().ends();
    for other in [
        owner("Q", 1, "/stream"),
        owner("P", 2, "/stream"),
        owner("P", 1, "/other"),
    ] {
        let begun = PostElsewhere::begin(hub, &token, &other);
        assert_eq!(begun.unwrap_err(), PostError::Ended, "{other:?}");
    }
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    for forged in ["", "A", &token[1..], &forged] {
        let begun = PostElsewhere::begin(hub, forged, &own());
        assert_eq!(begun.unwrap_err(), PostError::Ended, "{forged}");
    }
    assert_eq!(cluster.server().ends(), before);
    assert_eq!(stream.post(hub, 1, "own").await, Ok(()));
    assert_eq!(stream.lines(), up::frames(b"own"));
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_cluster_with_another_secret_is_refused() {
    let cluster = cluster(2).await;
    let stream = TestStream::reading(&cluster);
    let alone = Hub::default();
    let begun = PostElsewhere::begin(&alone, &stream.token, &own());
    assert_eq!(begun.unwrap_err(), PostError::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_post_for_a_stream_that_has_ended_is_refused() {
    let cluster = cluster(2).await;
    let mut stream = TestStream::reading(&cluster);
    stream.end();
    let hub = cluster.node(1).hub();
    tokio::task::yield_now().await;
    assert_eq!(stream.post(hub, 1, "late").await, Err(PostError::Ended));
    // Its own server needs no log to know that.
    cluster.pause();
    let hub = cluster.node(0).hub();
    assert_eq!(stream.post(hub, 1, "late").await, Err(PostError::Ended));
}

#[tokio::test(start_paused = true)]
async fn a_post_for_a_server_that_dies_is_refused_at_once_when_its_death_is_known() {
    let mut cluster = cluster(3).await;
    let stream = TestStream::new(&cluster);
    cluster.kill(0).await;
    let hub = cluster.node(1).hub().clone();
    // The death needs longer than one attempt.
    let mut outcome = Err(PostError::Unavailable);
    let (mut attempts, mut waited) = (0, Duration::ZERO);
    while outcome == Err(PostError::Unavailable) {
        let begin = Instant::now();
        outcome = stream.post(&hub, 1, "one").await;
        (attempts, waited) = (attempts + 1, begin.elapsed());
    }
    assert_eq!(outcome, Err(PostError::Ended));
    assert!(!waited.is_zero(), "it was in progress");
    assert!((2..=4).contains(&attempts), "{attempts} attempts");
    let begin = Instant::now();
    assert_eq!(stream.post(&hub, 1, "one").await, Err(PostError::Ended));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_post_is_refused_at_once_while_the_log_is_known_to_be_unavailable() {
    let cluster = cluster(2).await;
    let mut stream = TestStream::reading(&cluster);
    let hub = cluster.node(1).hub();
    cluster.cut(1);
    assert_eq!(
        stream.post(hub, 1, "one").await,
        Err(PostError::Unavailable)
    );
    sleep(Duration::from_secs(5)).await;
    let begin = Instant::now();
    assert_eq!(
        stream.post(hub, 1, "one").await,
        Err(PostError::Unavailable)
    );
    assert_eq!(begin.elapsed(), Duration::ZERO);
    cluster.heal(1);
    cluster.settle().await;
    assert_eq!(stream.post(hub, 1, "one").await, Ok(()));
    assert_eq!(stream.lines(), up::frames(b"one"), "once");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_the_log_does_not_take_is_refused_after_publish_timeout() {
    let publish_timeout = Duration::from_secs(1);
    let options = ClusterOptions::DEFAULT.publish_timeout(publish_timeout);
    let cluster = Cluster::with_options(2, options, |kit| kit).await;
    cluster.settle().await;
    let stream = TestStream::reading(&cluster);
    let hub = cluster.node(1).hub();
    cluster.cut(1);
    let begin = Instant::now();
    let outcome = stream.post(hub, 1, "one").await;
    assert_eq!(outcome, Err(PostError::Unavailable));
    assert!(begin.elapsed() < 2 * publish_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_post_in_progress_is_refused_when_its_lane_is_replaced() {
    let cluster = cluster(2).await;
    let mut stream = TestStream::new(&cluster);
    let hub = cluster.node(1).hub();
    let begin = Instant::now();
    let replaced = async {
        sleep(Duration::from_millis(500)).await;
        cluster.new_generation();
    };
    let (outcome, ()) = join(stream.post(hub, 1, "one"), replaced).await;
    assert_eq!(outcome, Err(PostError::Unavailable));
    assert!(begin.elapsed() < Duration::from_secs(4), "no time-out");
    stream.read_from_now_on();
    cluster.settle().await;
    assert_eq!(stream.post(hub, 1, "one").await, Ok(()));
    assert_eq!(stream.lines(), up::frames(b"one"), "once");
}

#[tokio::test(start_paused = true)]
async fn the_posts_of_a_stream_are_counted_on_all_servers_together() {
    let cluster = cluster(3).await;
    let stream = TestStream::new(&cluster);
    let [one, two] = [1, 2].map(|node| cluster.node(node).hub().clone());
    // The connection does not read: the first one waits for it.
    let mut first = std::pin::pin!(stream.post(&one, 1, "one"));
    assert_eq!((&mut first).now_or_never(), None);
    cluster.settle().await;
    let mut second = std::pin::pin!(stream.post(&two, 2, "two"));
    assert_eq!((&mut second).now_or_never(), None);
    cluster.settle().await;
    assert_eq!(stream.post(&one, 3, "three").await, Err(PostError::Busy));
    let found = stream.attachments.find(&stream.token, &own()).unwrap();
    assert_eq!(found.turn().await.unwrap_err(), PostError::Busy);
    drop(found);
    // What a server passes on counts before its body is there.
    let here = PostElsewhere::begin(&one, &stream.token, &own()).unwrap();
    let third = PostElsewhere::begin(&one, &stream.token, &own());
    assert_eq!(third.unwrap_err(), PostError::Busy);
    drop(here);
    assert!(PostElsewhere::begin(&one, &stream.token, &own()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn back_pressure_reaches_the_other_server() {
    let cluster = cluster(2).await;
    let mut stream = TestStream::new(&cluster);
    let hub = cluster.node(1).hub().clone();
    let reads = async {
        sleep(Duration::from_secs(3)).await;
        Instant::now()
    };
    let begin = Instant::now();
    let (outcome, read_at) = {
        let token = stream.token.clone();
        let post = async {
            let post = PostElsewhere::begin(&hub, &token, &own()).unwrap();
            let outcome = post.send(None, b"one".to_vec()).await;
            (outcome, Instant::now())
        };
        let reads = async {
            let at = reads.await;
            stream.read_from_now_on();
            at
        };
        join(post, reads).await
    };
    assert_eq!(outcome.0, Ok(()));
    assert!(outcome.1 >= read_at && read_at - begin == Duration::from_secs(3));
    assert_eq!(stream.lines(), up::frames(b"one"));
}

#[tokio::test(start_paused = true)]
async fn a_body_of_the_largest_size_passes() {
    const MIB: usize = 1024 * 1024;
    let cluster = cluster(2).await;
    let mut stream = TestStream::reading(&cluster);
    let hub = cluster.node(1).hub();
    let body = "x".repeat(MIB);
    assert_eq!(stream.post(hub, 1, &body).await, Ok(()));
    assert!(stream.lines() == up::frames(body.as_bytes()));
    let post = PostElsewhere::begin(hub, &stream.token, &own()).unwrap();
    assert_eq!(post.largest_body(usize::MAX), MIB);
    assert_eq!(post.largest_body(1_000), 1_000);
    assert_eq!(largest_everywhere(hub, usize::MAX), MIB);
    assert_eq!(largest_everywhere(&Hub::default(), 2 * MIB), 2 * MIB);
}

#[tokio::test(start_paused = true)]
async fn a_server_passes_on_a_limited_number_of_posts() {
    let cluster = cluster(2).await;
    let streams: Vec<_> = (0..513).map(|_| TestStream::new(&cluster)).collect();
    let hub = cluster.node(1).hub();
    let begin = |stream: &TestStream| PostElsewhere::begin(hub, &stream.token, &own());
    let posts: Vec<_> = streams.iter().chain(&streams).map(begin).collect();
    let (accepted, refused) = posts.split_at(1_024);
    assert!(accepted.iter().all(Result::is_ok));
    for refused in refused {
        assert_eq!(*refused.as_ref().unwrap_err(), PostError::Unavailable);
    }
}
