//! Measures the cost of one bad client for the others:
//!
//! ```sh
//! cargo run --release -p ws-tests --example bystanders            # both, 5 rounds
//! cargo run --release -p ws-tests --example bystanders -- flood --rounds 3
//! cargo run --release -p ws-tests --example bystanders -- stalled --rate 1000
//! ```
//!
//! * **stalled**: a topic with 199 subscribers that read, and 400 messages of 1 KiB a second.
//!   `--rate` sets another number; if the server's thread or the clients' thread cannot keep up, the
//!   result only shows a growing queue. The latency of a delivery is the time from the publisher's
//!   write to the subscriber's read. The bad client also subscribes, and reads nothing until its
//!   outbox is nearly full: once with the default policy, which closes it during the measurement, and
//!   once with `DropOldest`, which drops a message for each new one. Goal: the p99 of the others is
//!   within 10 % of the p99 without the bad client.
//! * **flood**: 100 connections that each send 32 bytes, wait for the echo, and pause for 5 to
//!   15 ms. The latency is the time until the echo. The bad client sends messages of 32 bytes to the
//!   same echo as fast as it can, and reads either all echoes or none. Goal: the p99 of the others is
//!   at most 3 times the p99 without the bad client.
//!
//! Each round measures every case for a second, one after the other, so that other load on the
//! machine affects all of them. Times and ratios are medians over the rounds. A ratio compares a
//! case with the first case of the same round; the smallest and largest ratio of p99 follow it. The
//! second case repeats the first: a ratio that is no further from 1 than its ratio is noise.
//!
//! A server has one thread. All measured clients share another; the publisher has one, and a flood
//! has two. With fewer cores the threads compete, and no server can prevent that. Two results show
//! it: one flood goes to another server of the same program, so that only cores are shared; and the
//! right half of the table shows how much of the time the threads of the server and of the measured
//! clients ran, and how much they waited for a core. No thread is pinned; on a machine with many
//! cores, `taskset -c 0,1` limits the program to two.
//!
//! Linux only: it reads `/proc`.

use std::error::Error;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::mpsc;

use ws_server::prelude::*;
use ws_server::runtime::block_on_with_workers;

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/wire/client.rs"]
mod client;
mod flood;
mod stalled;
mod table;

use table::Thread;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Echoes every message.
struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

fn news() -> Topic<Message> {
    Topic::local("news")
}

/// Publishes every message.
struct Publisher(Topic<Message>);

#[ws_handler]
impl Publisher {
    fn init() -> Self {
        Publisher(news())
    }

    fn message(&mut self, message: Message, hub: &Hub) {
        hub.publish(&self.0, &message);
    }
}

/// Subscribes to the topic.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(news());
        Reader
    }
}

/// Subscribes at the request of the test.
struct Stalled;

#[ws_handler]
impl Stalled {
    fn init(
        State(opened): State<Opened>,
        socket: &Socket<Self>,
    ) -> std::result::Result<Self, Refusal> {
        opened.send(socket.clone()).or_refuse()?;
        Ok(Stalled)
    }
}

/// A server sends the sockets of the stalling clients to this channel.
type Opened = mpsc::Sender<Socket<Stalled>>;

dispatch! {
    struct Routes;
    state: Opened;

    defaults { require_session: false, ping: off, idle: off }

    echo:    "/echo"    => Echo;
    publish: "/publish" => Publisher;
    reader:  "/reader"  => Reader;
    stalled: "/stalled" => Stalled { stall: 1h };
}

/// A server on its own thread, until the program ends.
struct Host {
    address: SocketAddr,
    thread: Thread,
    hub: Hub,
    stalled: mpsc::Receiver<Socket<Stalled>>,
}

impl Host {
    fn start() -> Result<Self> {
        let (opened, stalled) = mpsc::channel();
        let server = Server::new(Routes::table()).state(opened);
        let ws = server.any_origin().per_address(None).build()?;
        let hub = ws.hub();
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (thread_sender, thread_receiver) = mpsc::channel();
        std::thread::spawn(move || -> Result<()> {
            thread_sender.send(Thread::this()?)?;
            block_on_with_workers(1, async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let forever = std::future::pending();
                ws.serve_until(ws.filter(), listener, forever).await;
                Ok(())
            })
        });
        Ok(Self {
            address,
            thread: thread_receiver.recv()?,
            hub,
            stalled,
        })
    }
}

/// The options of the command line.
struct Options {
    /// The only scenario; both by default.
    only: Option<String>,
    rounds: NonZeroUsize,
    /// Messages of the publisher per second.
    rate: NonZeroU32,
}

impl Options {
    fn from_command_line() -> Result<Self> {
        let mut options = Self {
            only: None,
            rounds: const { NonZeroUsize::new(5).unwrap() },
            rate: const { NonZeroU32::new(400).unwrap() },
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().ok_or("an option has no value");
            let wrong = |error| format!("{argument}: {error}");
            match &*argument {
                "stalled" | "flood" => options.only = Some(argument),
                "--rounds" => options.rounds = number()?.parse().map_err(wrong)?,
                "--rate" => options.rate = number()?.parse().map_err(wrong)?,
                _ => return Err(format!("unknown argument `{argument}`").into()),
            }
        }
        Ok(options)
    }
}

async fn measure(options: Options) -> Result<()> {
    let host = Host::start()?;
    let rounds = options.rounds.get();
    let only = options.only.as_deref();
    if only != Some("flood") {
        stalled::measure(&host, rounds, options.rate.get()).await?;
    }
    if only != Some("stalled") {
        flood::measure(&host, rounds).await?;
    }
    Ok(())
}

fn main() -> Result<()> {
    let options = Options::from_command_line()?;
    block_on_with_workers(1, measure(options))
}
