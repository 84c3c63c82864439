//! Measures what one bad client costs the others:
//!
//! ```sh
//! cargo run --release -p ws-tests --example bystanders            # both, 5 rounds
//! cargo run --release -p ws-tests --example bystanders -- flood --rounds 3
//! cargo run --release -p ws-tests --example bystanders -- stalled --rate 1000
//! ```
//!
//! * **stalled**: a topic with 199 subscribers who read, and 400 messages of 1 KiB a second;
//!   `--rate` takes another number, but at one that the server's thread or that of the clients
//!   cannot follow, a queue that grows is all that is measured. How long is each delivery under
//!   way, from the publisher's write to the subscriber's read? The bad client subscribes too, and
//!   has read nothing until its outbox is nearly full: once with the default policy, so that it is
//!   closed in the midst of what is measured, and once with `DropOldest`, so that each message
//!   drops another. Wanted: the others' p99 is within 10 % of what it is without.
//! * **flood**: 100 connections that each send 32 bytes, wait for the echo, and pause for 5 to
//!   15 ms. How long does an echo take? The bad client sends messages of 32 bytes to the same echo
//!   as fast as it can, and reads the echoes, or reads nothing. Wanted: the others' p99 is at most
//!   3 times what it is without.
//!
//! Each round measures every case for a second, one after the other, so that what else the machine
//! does falls on all of them. Times are medians over the rounds. So are ratios, each of which
//! compares a case with the first case of the same round; the least and the greatest of p99 stand
//! behind. The second case is the first once more: where another case's ratio is no further from 1,
//! it tells nothing.
//!
//! A server has one thread. All clients that are measured share another; the publisher has one, and
//! a flood has two. Where there are fewer cores they take time from each other, and no server can
//! prevent that. Two things show it: one flood goes to another server of the same program, so that
//! only cores are shared; and the right half of the table says which part of the time the threads
//! of the server and of the measured clients ran, and which part they waited for a core. Nothing is
//! pinned; on a machine with many cores `taskset -c 0,1` shows how it is with two.
//!
//! Linux only: it reads `/proc`.

use std::error::Error;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::mpsc;

use ws_server::prelude::*;
use ws_server::runtime::block_on_with_workers;

#[allow(dead_code, reason = "what tests use of it")]
#[path = "../../tests/wire/client.rs"]
mod client;
mod flood;
mod stalled;
mod table;

use table::Thread;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Sends every message back.
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

/// Gets what is published.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(&news());
        Reader
    }
}

/// Subscribes when it is told to.
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

/// Where a server tells of the clients that will stall.
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

/// A server in a thread of its own, until the program ends.
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
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || -> Result<()> {
            tell.send(Thread::this()?)?;
            block_on_with_workers(1, async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let forever = std::future::pending();
                ws.serve_until(ws.filter(), listener, forever).await;
                Ok(())
            })
        });
        Ok(Self {
            address,
            thread: told.recv()?,
            hub,
            stalled,
        })
    }
}

/// What the command line asks for.
struct Options {
    /// The only scenario; both by default.
    only: Option<String>,
    rounds: NonZeroUsize,
    /// What the publisher publishes in a second.
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
