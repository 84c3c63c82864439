//! A page without cookies, which connects by the rules of the browser client.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::client::{Connection, Refused};

/// The delays of the browser client between two attempts.
const MIN_DELAY: Duration = Duration::from_millis(500);
const MAX_DELAY: Duration = Duration::from_secs(15);

/// A page acknowledges after so many events.
const ACKNOWLEDGED: u64 = 32;

/// The end of the last message.
pub(crate) const LAST: &str = " last";

/// The servers.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) first: u16,
    pub(crate) second: u16,
}

/// What a page has seen.
pub(crate) struct Tally {
    /// As announced before the server was killed.
    pub(crate) spread: Duration,
    /// The handshakes after the server was killed.
    pub(crate) attempts: Vec<Instant>,
    /// When the page was back.
    pub(crate) welcome: Instant,
    pub(crate) refused: u64,
    pub(crate) resets: u64,
    pub(crate) events: u64,
    pub(crate) missing: u64,
    pub(crate) doubled: u64,
}

impl Tally {
    fn new() -> Self {
        Self {
            spread: Duration::ZERO,
            attempts: Vec::new(),
            welcome: Instant::now(),
            refused: 0,
            resets: 0,
            events: 0,
            missing: 0,
            doubled: 0,
        }
    }

    /// The time from the handshake that was accepted to `welcome`.
    pub(crate) fn latency(&self) -> Duration {
        let attempt = self.attempts.last().expect("the page has returned");
        self.welcome - *attempt
    }
}

/// The members of the messages that a page uses.
#[derive(Deserialize)]
struct ToPage {
    r#type: String,
    epoch: Option<String>,
    offset: Option<u64>,
    base: Option<String>,
    at: Option<String>,
    page: Option<String>,
    spread: Option<u64>,
    data: Option<String>,
}

/// A page.
pub(crate) struct Page {
    number: usize,
    ports: Ports,
    /// Whether all pages are connected.
    connected: watch::Receiver<bool>,
    progress: mpsc::UnboundedSender<()>,
    tally: Tally,
    attempt: u64,
    /// Attempts in a row that have failed.
    failures: u32,
    id: Option<String>,
    epoch: Option<String>,
    offset: u64,
    base: Option<String>,
    /// Of each lane from which it has a message.
    places: Vec<String>,
    /// The number in the last event.
    last: u64,
    is_complete: bool,
}

fn is_of_lane(place: &str, other: &str) -> bool {
    place.split('.').next() == other.split('.').next()
}

/// A random part of this time.
fn part_of(time: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0) >> 32);
    let random = random.expect("the half of the bits");
    time.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// The delay after a failure.
fn delay_below(ceiling: Duration) -> Duration {
    ceiling / 2 + part_of(ceiling / 2)
}

impl Page {
    pub(crate) fn new(
        number: usize,
        ports: Ports,
        connected: watch::Receiver<bool>,
        progress: mpsc::UnboundedSender<()>,
    ) -> Self {
        Self {
            number,
            ports,
            connected,
            progress,
            tally: Tally::new(),
            attempt: 0,
            failures: 0,
            id: None,
            epoch: None,
            offset: 0,
            base: None,
            places: Vec::new(),
            last: 0,
            is_complete: false,
        }
    }

    /// Connects and receives, on the second server if the first one ends. Notifies the program when
    /// it is subscribed, when it knows `spread`, and when it is back.
    pub(crate) async fn run(mut self) -> Tally {
        let mut connection = self.connect(self.ports.first).await;
        self.ask(
            &mut connection,
            r#"{"type":"text","id":1,"data":"subscribe"}"#,
            "seen",
        )
        .await;
        let connected = self.connected.wait_for(|all| *all).await.map(drop);
        connected.expect("the program runs");
        self.ask(&mut connection, r#"{"type":"ping"}"#, "pong")
            .await;
        while let Some(message) = connection.text().await {
            self.receive(&mut connection, &message).await;
        }
        let spread = self.tally.spread;
        (self.tally.attempts, self.tally.refused) = (Vec::new(), 0);
        let ceiling = self.next_ceiling();
        sleep(if spread > ceiling {
            part_of(spread)
        } else {
            delay_below(ceiling)
        })
        .await;
        connection = self.connect(self.ports.second).await;
        self.tally.spread = spread;
        self.progress.send(()).expect("the program runs");
        while !self.is_complete {
            let message = connection.text().await.expect("the second server runs");
            self.receive(&mut connection, &message).await;
        }
        self.tally
    }

    /// Connects, as soon as the server admits it.
    async fn connect(&mut self, port: u16) -> Connection {
        loop {
            let path = self.path();
            let now = Instant::now();
            self.tally.attempts.push(now);
            let opened = Connection::open(port, &path, "Sec-WebSocket-Protocol: page.v1\r\n");
            match opened.await {
                Ok(mut connection) => {
                    let welcome = connection
                        .text()
                        .await
                        .expect("the server is not overloaded");
                    self.tally.welcome = Instant::now();
                    self.failures = 0;
                    self.receive(&mut connection, &welcome).await;
                    return connection;
                }
                Err(Refused {
                    status,
                    retry_after,
                }) => {
                    assert!(status.starts_with("HTTP/1.1 503 "), "{status}");
                    self.tally.refused += 1;
                    let ceiling = self.next_ceiling();
                    sleep(retry_after + delay_below(ceiling)).await;
                }
            }
        }
    }

    /// Counts a failure. Returns the longest delay after it.
    fn next_ceiling(&mut self) -> Duration {
        self.failures += 1;
        let factor = 2_u32.saturating_pow(self.failures);
        MIN_DELAY.saturating_mul(factor).min(MAX_DELAY)
    }

    fn path(&mut self) -> String {
        self.attempt += 1;
        let Self {
            number, attempt, ..
        } = self;
        let mut query = vec![format!("client={number}"), format!("attempt={attempt}")];
        let known = [
            ("z_pid", &self.id),
            ("epoch", &self.epoch),
            ("base", &self.base),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                query.push(format!("{name}={value}"));
            }
        }
        if self.epoch.is_some() {
            query.push(format!("offset={}", self.offset));
            query.push(format!("at={}", self.places.join("-")));
        }
        format!("/page?{}", query.join("&"))
    }

    /// Sends a message, waits for an answer of this type, and notifies the program.
    async fn ask(&mut self, connection: &mut Connection, message: &str, answer: &str) {
        connection.send(message).await.expect("the server runs");
        loop {
            let message = connection.text().await.expect("the first server runs");
            if self.receive(connection, &message).await == answer {
                break;
            }
        }
        self.progress.send(()).expect("the program runs");
    }

    /// Returns the type of a message that was received.
    async fn receive(&mut self, connection: &mut Connection, message: &str) -> String {
        let message: ToPage = serde_json::from_str(message).expect("a message of the protocol");
        if let Some(spread) = message.spread {
            self.tally.spread = Duration::from_millis(spread);
        }
        match &*message.r#type {
            "welcome" => {
                self.epoch = message.epoch;
                self.offset = message.offset.expect("an offset");
                self.id = message.page.or(self.id.take());
                if message.base.is_some() {
                    self.base = message.base;
                    self.places.clear();
                }
            }
            "base" => {
                self.base = message.base;
                self.places.clear();
            }
            "reset" => {
                self.tally.resets += 1;
                self.offset = message.offset.expect("an offset");
            }
            "event" => {
                self.note_places(message.at.as_deref());
                self.note_event(message.offset, message.data.as_deref());
                if self.offset.is_multiple_of(ACKNOWLEDGED) {
                    let ack = format!(r#"{{"type":"ack","offset":{}}}"#, self.offset);
                    // If the connection is lost, the next read shows it.
                    let _ = connection.send(&ack).await;
                }
            }
            "pong" => self.note_places(message.at.as_deref()),
            _ => {}
        }
        message.r#type
    }

    fn note_event(&mut self, offset: Option<u64>, data: Option<&str>) {
        assert_eq!(offset, Some(self.offset + 1), "an offset is skipped");
        self.offset += 1;
        let data = data.expect("text");
        self.is_complete = data.ends_with(LAST);
        let number = data.trim_end_matches(LAST).parse().expect("a number");
        self.tally.events += 1;
        if number <= self.last {
            self.tally.doubled += 1;
        } else {
            self.tally.missing += number - self.last - 1;
            self.last = number;
        }
    }

    /// A place replaces the one of the same lane.
    fn note_places(&mut self, at: Option<&str>) {
        for place in at.into_iter().flat_map(|at| at.split('-')) {
            self.places.retain(|known| !is_of_lane(known, place));
            self.places.push(place.to_owned());
        }
    }
}
