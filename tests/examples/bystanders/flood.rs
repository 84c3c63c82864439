//! One client that sends as much as possible, and many that send little.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::client::{Client, TEXT, frame};
use crate::table::{Case, Latencies, print};
use crate::{Host, Result};

const QUIET: u64 = 100;

/// The shortest and the longest pause, in milliseconds. They vary, because clients with equal
/// pauses would soon send at the same time.
const PAUSE: (u64, u64) = (5, 15);
const TEXT_OF_32_BYTES: &str = "0123456789abcdef0123456789abcdef";

/// The size of the flood's reads and writes, in bytes.
const BLOCK: usize = 64 * 1024;

/// The time before a case, in which the previous one drains and the flood starts.
const LEAD: Duration = Duration::from_millis(300);

/// The behaviour of the bad client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BadClient {
    Nothing,
    FloodsOtherHost,
    Floods,
    FloodsAndReadsNothing,
}

const CASES: [(&str, BadClient); 5] = [
    ("no flood", BadClient::Nothing),
    ("no flood, again", BadClient::Nothing),
    ("flood of another server", BadClient::FloodsOtherHost),
    ("flood", BadClient::Floods),
    ("flood that reads nothing", BadClient::FloodsAndReadsNothing),
];

/// One connection that floods, on its own threads.
struct Flood {
    stream: TcpStream,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    async fn start(address: SocketAddr, reads: bool, sent: &Arc<AtomicU64>) -> Result<Self> {
        let stream = Client::open(address, "/echo").await.stream.into_std()?;
        stream.set_nonblocking(false)?;
        let (mut writes, sent) = (stream.try_clone()?, Arc::clone(sent));
        let mut threads = vec![thread::spawn(move || {
            let message = frame(TEXT, TEXT_OF_32_BYTES);
            let count = BLOCK / message.len();
            let block = message.repeat(count);
            while writes.write_all(&block).is_ok() {
                sent.fetch_add(count as u64, Ordering::Relaxed);
            }
        })];
        if reads {
            let mut echoes = stream.try_clone()?;
            threads.push(thread::spawn(move || {
                let mut block = vec![0; BLOCK];
                while matches!(echoes.read(&mut block), Ok(1..)) {}
            }));
        }
        Ok(Self { stream, threads })
    }

    /// Also ends reads and writes in progress.
    fn stop(self) -> Result<()> {
        self.stream.shutdown(Shutdown::Both)?;
        for thread in self.threads {
            thread.join().map_err(|_| "the flood panicked")?;
        }
        Ok(())
    }
}

/// Sends a message, waits for its echo, and pauses, until the end of the stream.
async fn send_and_pause(
    mut client: Client,
    number: u64,
    latencies: Latencies,
) -> std::io::Result<()> {
    let message = frame(TEXT, TEXT_OF_32_BYTES);
    // The header has two bytes.
    let mut echo = [0; 2 + TEXT_OF_32_BYTES.len()];
    let (min, max) = PAUSE;
    for turn in number.. {
        let extra = turn * (number + 1) % (max - min + 1);
        sleep(Duration::from_millis(min + extra)).await;
        let measured = latencies.is_open();
        let sent = Instant::now();
        client.stream.write_all(&message).await?;
        client.stream.read_exact(&mut echo).await?;
        if measured {
            latencies.record(sent.elapsed());
        }
    }
    Ok(())
}

pub(crate) async fn measure(host: &Host, rounds: usize) -> Result<()> {
    let other_host = Host::start()?;
    let latencies = Latencies::default();
    let mut quiet = Vec::new();
    for number in 0..QUIET {
        let client = Client::open(host.address, "/echo").await;
        quiet.push(tokio::spawn(send_and_pause(
            client,
            number,
            latencies.clone(),
        )));
    }
    let mut cases = CASES.map(|(name, _)| Case::new(name));
    let sent = Arc::default();
    for _ in 0..rounds {
        for (case, (_, bad)) in cases.iter_mut().zip(CASES) {
            let flood = match bad {
                BadClient::Nothing => None,
                BadClient::FloodsOtherHost => {
                    Some(Flood::start(other_host.address, true, &sent).await?)
                }
                BadClient::Floods => Some(Flood::start(host.address, true, &sent).await?),
                BadClient::FloodsAndReadsNothing => {
                    Some(Flood::start(host.address, false, &sent).await?)
                }
            };
            sleep(LEAD).await;
            case.measure(host, &latencies, &sent).await?;
            if let Some(flood) = flood {
                flood.stop()?;
            }
        }
    }
    for quiet in quiet {
        quiet.abort();
    }
    let title = format!("Echoes of {QUIET} quiet connections");
    print(&title, "flooded", &cases);
    Ok(())
}
