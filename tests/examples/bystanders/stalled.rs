//! One subscriber that reads nothing, among many that read.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;
use ws_server::Policy;
use ws_server::limits::Limits;
use ws_server::prelude::*;

use crate::client::{BINARY, Client, frame, within};
use crate::table::{Case, Latencies, print};
use crate::{Host, Result, Stalled, news};

const READERS: usize = 199;
const SIZE: usize = 1024;

/// The receive buffer of the stalled client; the system rounds it up.
const RECEIVE_BUFFER: u32 = 4096;

/// The time before a case, in which the previous one drains.
const LEAD: Duration = Duration::from_millis(300);

/// Each case, with the policy of the stalled client.
const CASES: [(&str, Option<Policy>); 4] = [
    ("no client stalls", None),
    ("no client stalls, again", None),
    ("one stalls: closed", Some(Policy::Close)),
    ("one stalls: DropOldest", Some(Policy::DropOldest)),
];

/// The content of a message: when it was sent, and whether it is measured.
#[derive(Clone, Copy)]
struct Stamp {
    /// By the clock that the publisher and the subscribers share.
    sent: Duration,
    measured: bool,
}

impl Stamp {
    /// The size of the time, in bytes.
    const TIME: usize = size_of::<u64>() + size_of::<u32>();

    fn message(self) -> Vec<u8> {
        let mut message = self.sent.as_secs().to_be_bytes().to_vec();
        message.extend(self.sent.subsec_nanos().to_be_bytes());
        message.push(self.measured.into());
        message.resize(SIZE, 0);
        frame(BINARY, message)
    }

    fn of(message: &[u8; SIZE]) -> Self {
        let (seconds, rest) = message.split_first_chunk().unwrap();
        let (nanos, _) = rest.split_first_chunk().unwrap();
        Self {
            sent: Duration::new(u64::from_be_bytes(*seconds), u32::from_be_bytes(*nanos)),
            measured: message[Self::TIME] != 0,
        }
    }
}

/// Publishes on a thread of its own.
struct Publisher {
    stopped: Arc<AtomicBool>,
    published: Arc<AtomicU64>,
    thread: JoinHandle<io::Result<()>>,
}

impl Publisher {
    async fn start(host: &Host, rate: u32, clock: Instant, latencies: Latencies) -> Result<Self> {
        let period = Duration::from_secs(1) / rate;
        let client = Client::open(host.address, "/publish").await;
        let mut stream = client.stream.into_std()?;
        stream.set_nonblocking(false)?;
        let (stopped, published) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stop, count) = (stopped.clone(), published.clone());
        let thread = thread::spawn(move || {
            let mut due = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let stamp = Stamp {
                    sent: clock.elapsed(),
                    measured: latencies.is_open(),
                };
                stream.write_all(&stamp.message())?;
                count.fetch_add(1, Ordering::Relaxed);
                // After a delay, the publisher catches up.
                due += period;
            }
            Ok(())
        });
        Ok(Self {
            stopped,
            published,
            thread,
        })
    }

    fn stop(self) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the publisher panicked")??;
        Ok(())
    }
}

/// Records the latency of each message, until the end of the stream.
async fn read(stream: TcpStream, clock: Instant, latencies: Latencies) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(16 * SIZE, stream);
    // Messages of this size have a header of four bytes.
    let mut frame = ([0; 4], [0; SIZE]);
    loop {
        stream.read_exact(&mut frame.0).await?;
        stream.read_exact(&mut frame.1).await?;
        let stamp = Stamp::of(&frame.1);
        if stamp.measured {
            latencies.record(clock.elapsed().saturating_sub(stamp.sent));
        }
    }
}

/// A client that reads nothing, and its socket on the server.
struct Bad {
    socket: Socket<Stalled>,
    policy: Policy,
    _client: Client,
}

impl Bad {
    async fn open(host: &Host, policy: Policy) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let mut client = Client::over(socket.connect(host.address).await?);
        client.upgrade("/stalled").await;
        Ok(Self {
            socket: host.stalled.recv()?,
            policy,
            _client: client,
        })
    }

    fn join(&self) {
        self.socket.subscribe_with(news(), self.policy);
    }

    fn leave(&self) {
        self.socket.unsubscribe(news());
    }

    /// Whether the outbox is full. The message that closes the connection is the next one.
    fn is_full(&self) -> bool {
        match self.policy {
            Policy::Close => self.socket.buffered() > Limits::DEFAULT.outbox / 16 * 15,
            _ => self.socket.dropped() > 0,
        }
    }
}

/// Fills the outboxes of one client for each round, which will be closed, and of one client for all
/// rounds, which will not. Each client is subscribed only during its own case, so no case waits for
/// a full outbox. The client for all rounds stays subscribed for now, so that the topic exists.
async fn stall(host: &Host, rounds: usize) -> Result<(Vec<Bad>, Bad)> {
    let oldest = Bad::open(host, Policy::DropOldest).await?;
    oldest.join();
    let mut closed = Vec::new();
    for _ in 0..rounds {
        let bad = Bad::open(host, Policy::Close).await?;
        bad.join();
        closed.push(bad);
    }
    let message = Message::binary(vec![0; SIZE]);
    within("a full outbox", async {
        while !oldest.is_full() || !closed.iter().all(Bad::is_full) {
            closed
                .iter()
                .filter(|bad| bad.is_full())
                .for_each(Bad::leave);
            host.hub.publish(news(), &message);
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    closed.iter().for_each(Bad::leave);
    Ok((closed, oldest))
}

pub(crate) async fn measure(host: &Host, rounds: usize, rate: u32) -> Result<()> {
    let (clock, latencies) = (Instant::now(), Latencies::default());
    let (closed, oldest) = stall(host, rounds).await?;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let client = Client::open(host.address, "/reader").await;
        readers.push(tokio::spawn(read(client.stream, clock, latencies.clone())));
    }
    oldest.leave();
    let publisher = Publisher::start(host, rate, clock, latencies.clone()).await?;
    let mut cases = CASES.map(|(name, _)| Case::new(name));
    for closed in &closed {
        for (case, (_, policy)) in cases.iter_mut().zip(CASES) {
            sleep(LEAD).await;
            let bad = match policy {
                None => None,
                Some(Policy::Close) => Some(closed),
                Some(_) => Some(&oldest),
            };
            if let Some(bad) = bad {
                bad.join();
            }
            case.measure(host, &latencies, &publisher.published).await?;
            if let Some(bad) = bad {
                bad.leave();
            }
        }
    }
    publisher.stop()?;
    for reader in readers {
        reader.abort();
    }
    let title = format!("Deliveries of {SIZE} bytes to {READERS} subscribers");
    print(&title, "published", &cases);
    println!(
        "{} of {rounds} with the default policy were closed; the other missed {} messages",
        closed.iter().filter(|bad| !bad.socket.is_open()).count(),
        oldest.socket.dropped()
    );
    Ok(())
}
