//! The timeouts of HTTP connections, over pipes in memory and with paused time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use warp::Filter;
use ws_core::limits::ServerLimits;

use super::service_application::PeerService;
use super::{Timeouts, builder};
use crate::filter::WsFilter;
use crate::peer::Peer;
use crate::server::permits::{HttpPermit, HttpPermits};

mod endings;

/// The capacity of the kernel's buffer for a client that does not read, and for a server that does
/// not.
const PIPE: usize = 4096;

const LIMITS: ServerLimits = ServerLimits::DEFAULT
    .http_connections(2)
    .http_per_address(None);

const HEAD: Duration = LIMITS.head_timeout;
const KEEP: Duration = LIMITS.keep_alive;
const PATIENCE: Duration = LIMITS.body_timeout;
const REQUESTS: usize = 1000;
const LARGE: usize = 100_000;

/// An application with some requests that legitimately take long.
fn application() -> WsFilter {
    let now = warp::path("now").map(|| "now");
    let later = warp::path("later").then(async || {
        sleep(Duration::from_secs(60 * 60)).await;
        "later"
    });
    let large = warp::path("large").map(|| vec![b'x'; LARGE]);
    let length = warp::path("length")
        .and(warp::body::bytes())
        .map(|body: Bytes| body.len().to_string());
    let busy = warp::path("busy")
        .and(warp::body::stream())
        .then(async |body| {
            sleep(Duration::from_secs(60 * 60)).await;
            drop(body);
            "busy"
        });
    let events = warp::path("events").map(|| {
        let events = stream::iter(["one", "two"]).then(async |event| {
            sleep(Duration::from_secs(60 * 60)).await;
            Ok::<_, std::io::Error>(event)
        });
        warp::reply::stream(Box::pin(events))
    });
    let replies = now.or(later).or(large).or(length).or(busy).or(events);
    replies.map(warp::Reply::into_response).boxed()
}

/// A client, and the task that serves it.
struct TestConnection {
    client: DuplexStream,
    /// Returns the time at which the connection ended.
    served: JoinHandle<Instant>,
    draining: CancellationToken,
    started: Instant,
}

async fn permit(permits: &Arc<HttpPermits>) -> HttpPermit {
    permits.acquire(None).await.unwrap()
}

fn serve(mut permit: HttpPermit) -> TestConnection {
    let (client, stream) = duplex(PIPE);
    let draining = CancellationToken::new();
    let drained = draining.clone();
    let served = tokio::spawn(async move {
        let draining = std::pin::pin!(drained.cancelled());
        let timeouts = Timeouts::new(&LIMITS, &mut permit, draining);
        let peer = Peer {
            address: Some(([127, 0, 0, 1], 1).into()),
            over_tls: false,
        };
        let application = warp::service(application());
        let service = PeerService::new(application, peer, timeouts.activity().clone());
        let connection = builder(&LIMITS).serve_connection(TokioIo::new(stream), service);
        let mut connection = connection.with_upgrades();
        // The tests check what the client sees.
        let _ = timeouts.enforce(&mut connection).await;
        Instant::now()
    });
    let started = Instant::now();
    TestConnection {
        client,
        served,
        draining,
        started,
    }
}

async fn open_connection() -> TestConnection {
    serve(permit(&HttpPermits::new(&LIMITS)).await)
}

impl TestConnection {
    async fn send(&mut self, bytes: &str) {
        self.client.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Requests a path, and reads the response up to the given end.
    async fn request(&mut self, path: &str, end: &str) {
        self.send(&get(path)).await;
        self.read_until(end).await;
    }

    /// Returns the number of bytes read.
    async fn read_until(&mut self, end: &str) -> usize {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            let byte = self.client.read_u8().await;
            let byte = byte.unwrap_or_else(|error| panic!("{error} after {read:?}"));
            read.push(byte);
        }
        read.len()
    }

    /// Waits for the end of the connection. Returns how long it lived and how many bytes it sent.
    async fn lived(&mut self) -> (Duration, usize) {
        let lived = (&mut self.served).await.unwrap() - self.started;
        let mut rest = Vec::new();
        self.client.read_to_end(&mut rest).await.unwrap();
        (lived, rest.len())
    }
}

fn get(path: &str) -> String {
    format!("GET /{path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn post(path: &str, length: usize) -> String {
    format!("POST /{path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
}

fn assert_about(lived: Duration, expected: Duration) {
    let late = lived.checked_sub(expected);
    assert!(
        late.is_some_and(|late| late <= Duration::from_millis(200)),
        "{lived:?}, not {expected:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_head_has_ten_seconds() {
    assert_about(open_connection().await.lived().await.0, HEAD);
    let mut trickles = open_connection().await;
    for byte in get("now").split("").take(30) {
        trickles.send(byte).await;
        sleep(HEAD / 31).await;
    }
    assert_about(trickles.lived().await.0, HEAD);
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_that_had_a_response_is_kept_for_75_seconds() {
    let mut connection = open_connection().await;
    connection.request("now", "now").await;
    assert_eq!(connection.lived().await, (KEEP, 0));
}

#[tokio::test(start_paused = true)]
async fn each_response_begins_the_silence_again() {
    let mut connection = open_connection().await;
    for _ in 0..10 {
        connection.request("now", "now").await;
        sleep(KEEP / 2).await;
    }
    connection.request("now", "now").await;
    assert_about(connection.lived().await.0, KEEP * 6);
}

#[tokio::test(start_paused = true)]
async fn a_later_head_has_ten_seconds_from_its_first_byte() {
    let mut connection = open_connection().await;
    connection.request("now", "now").await;
    let silence = Duration::from_secs(60);
    sleep(silence).await;
    connection.send("G").await;
    sleep(HEAD / 2).await;
    connection.send("ET /now").await;
    assert_about(connection.lived().await.0, silence + HEAD);
}

/// When a client reads responses, its silent connection is woken, as by the first byte of a head.
#[tokio::test(start_paused = true)]
async fn responses_are_written_to_their_end_after_a_later_head_does_not_arrive() {
    let mut connection = open_connection().await;
    let head = get("now").replace("GET", "HEAD");
    connection.send(&head).await;
    let response = connection.read_until("\r\n\r\n").await;
    let responses = PIPE / response + 1;
    connection.send(&head.repeat(responses)).await;
    sleep(HEAD).await;
    connection.client.read_u8().await.unwrap();
    sleep(HEAD + PATIENCE / 2).await;
    assert!(!connection.served.is_finished());
    let mut rest = Vec::new();
    connection.client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), responses * response - 1);
    assert_about(connection.lived().await.0, HEAD * 2 + PATIENCE / 2);
}

#[tokio::test(start_paused = true)]
async fn a_later_head_that_arrives_in_time_gets_a_response() {
    let mut connection = open_connection().await;
    for _ in 0..3 {
        sleep(HEAD / 2).await;
        connection.send("GET /now HTTP/1.1\r\n").await;
        sleep(HEAD / 2).await;
        connection.send("host: a\r\n\r\n").await;
        connection.read_until("now").await;
        sleep(KEEP / 2).await;
    }
    connection.request("now", "now").await;
}

/// Such a part of a head counts as silence; its next byte starts its time.
#[tokio::test(start_paused = true)]
async fn a_head_that_began_in_the_packet_of_the_last_request_has_ten_seconds_from_its_next_byte() {
    let mut connection = open_connection().await;
    connection.send(&(get("now") + "GET /n")).await;
    connection.read_until("now").await;
    sleep(HEAD * 2).await;
    connection.send("o").await;
    assert_about(connection.lived().await.0, HEAD * 3);
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_all_get_responses() {
    let mut connection = open_connection().await;
    connection.send(&get("now").repeat(40)).await;
    for _ in 0..40 {
        connection.read_until("now").await;
    }
    assert_about(connection.lived().await.0, KEEP);
}

#[tokio::test(start_paused = true)]
async fn the_response_to_the_last_allowed_request_closes_the_connection() {
    let mut connection = open_connection().await;
    for _ in 1..REQUESTS {
        connection.request("now", "now").await;
    }
    connection.send(&get("now").repeat(2)).await;
    connection.read_until("connection: close\r\n").await;
    connection.read_until("now").await;
    assert_eq!(connection.lived().await, (Duration::ZERO, 0));
}

/// hyper reads no further request while a response waits for capacity.
#[tokio::test(start_paused = true)]
async fn pipelined_responses_without_a_body_that_are_not_read_are_few() {
    let mut connection = open_connection().await;
    let heads = get("now").replace("GET", "HEAD").repeat(4 * REQUESTS);
    let sent = connection.client.write_all(heads.as_bytes()).await;
    assert_eq!(sent.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert_about(connection.lived().await.0, KEEP + PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_ready_has_unlimited_time() {
    let mut connection = open_connection().await;
    connection.request("later", "later").await;
    connection.request("later", "later").await;
    assert_about(
        connection.lived().await.0,
        Duration::from_secs(2 * 60 * 60) + KEEP,
    );
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_silent_in_between_has_unlimited_time() {
    let mut connection = open_connection().await;
    connection
        .request("events", "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        .await;
    assert_about(
        connection.started.elapsed(),
        Duration::from_secs(2 * 60 * 60),
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_ends_its_connection() {
    let mut connection = open_connection().await;
    connection.send(&post("length", 10_000)).await;
    let mut byte = 0;
    while connection.client.write_all(b"x").await.is_ok() {
        sleep(Duration::from_secs(1)).await;
        byte += 1;
        assert!(byte < 60, "the trickle continues");
    }
    assert_about(connection.lived().await.0, PATIENCE + PATIENCE / 256);
}

#[tokio::test(start_paused = true)]
async fn a_missing_body_ends_its_connection() {
    let mut connection = open_connection().await;
    connection.send(&post("length", 10)).await;
    assert_about(connection.lived().await.0, PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_above_the_minimum_rate_arrives() {
    let mut connection = open_connection().await;
    let burst = "x".repeat(257);
    connection.send(&post("length", 257 * 600)).await;
    for _ in 0..600 {
        sleep(Duration::from_secs(1)).await;
        connection.send(&burst).await;
    }
    connection.read_until("154200").await;
}

/// Its bytes wait for the application, not for the client.
#[tokio::test(start_paused = true)]
async fn a_body_that_the_application_does_not_read_has_unlimited_time() {
    let mut connection = open_connection().await;
    connection.send(&post("busy", 100_000)).await;
    connection.read_until("busy").await;
    assert_about(connection.started.elapsed(), Duration::from_secs(60 * 60));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_read_ends_its_connection() {
    let mut connection = open_connection().await;
    connection.send(&get("large")).await;
    let (lived, held) = connection.lived().await;
    assert_about(lived, PATIENCE);
    assert_eq!(held, PIPE);
}

#[tokio::test(start_paused = true)]
async fn pipelined_responses_that_are_not_read_end_their_connection() {
    let mut connection = open_connection().await;
    connection.send(&get("large").repeat(20)).await;
    assert_about(connection.lived().await.0, PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_read_steadily_has_unlimited_time() {
    let mut connection = open_connection().await;
    connection.send(&get("large")).await;
    let mut read = 0;
    let mut burst = [0; 300];
    while read < LARGE {
        sleep(Duration::from_secs(1)).await;
        read += connection.client.read(&mut burst).await.unwrap();
    }
    assert!(connection.started.elapsed() > PATIENCE * 10);
    assert!(!connection.served.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_read_too_slowly_ends_its_connection() {
    let mut connection = open_connection().await;
    connection.send(&get("large")).await;
    let mut read = 0;
    while connection.client.read_u8().await.is_ok() {
        sleep(Duration::from_secs(5)).await;
        read += 1;
    }
    // The bytes in flight were read to their end.
    assert!(read > PIPE, "{read}");
    assert_about(connection.lived().await.0, PATIENCE);
}
