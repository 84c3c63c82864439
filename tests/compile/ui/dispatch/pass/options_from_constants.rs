//! Counts, sizes, times and rates may be constants of the program.
#![deny(warnings)]

use std::time::Duration;

use ws_server::limits::Rate;
use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

pub mod limits {
    use super::*;

    pub const MESSAGE: usize = 4 * 1024;
    pub const FRAMES: usize = 64;
    pub const PING: Duration = Duration::from_secs(20);
    pub const RATE: Rate = Rate::new(20, Duration::from_secs(1));
}

struct Timers;

impl Timers {
    const MOST: usize = 0;
}

trait Limits {
    const MAILBOX: usize;
    const PING: Duration;
}

struct Small;

impl Limits for Small {
    const MAILBOX: usize = 8;
    const PING: Duration = Duration::from_secs(10);
}

const IDLE: Duration = Duration::from_secs(90);

trait Start {
    fn keep(_: &Handshake) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Start for Small {}

dispatch! {
    struct Routes;
    defaults { max_message: limits::MESSAGE, idle: IDLE }

    all: "/all" => Room {
        outbox: limits::MESSAGE, outbox_frames: limits::FRAMES, timers: Timers::MOST,
        ping: limits::PING, stall: limits::PING, rate: limits::RATE,
    };
    of_trait: "/of_trait" => Room {
        mailbox: <Small as Limits>::MAILBOX, ping: <Small as Limits>::PING,
        start: <Small as Start>::keep,
    };
    own: "/own" => Room { max_message: 8 KiB, idle: off, ping: IDLE };
    #[cfg(any())]
    none: "/none" => Room { mailbox: not::THERE };
}

pub(crate) fn main() {
    let _ = Routes::table();
    assert_eq!(Routes::all().to_string(), "/all");
    assert_eq!(Routes::own().to_string(), "/own");
}
