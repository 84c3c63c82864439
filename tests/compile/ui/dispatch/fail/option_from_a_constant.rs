//! Constants are checked as literals are, on the option.

use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

use std::time::Duration;
use ws_server::limits::Rate;

const NONE: usize = 0;
const HUGE: usize = 5 << 30;
const NEVER: Duration = Duration::ZERO;
const AGES: Duration = Duration::from_secs(400 * 24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
const STILL: Rate = { let mut rate = Rate::new(1, MINUTE); rate.per = NEVER; rate };
const SLOW: Rate = Rate::new(1, AGES);

mod limits {
    pub const NONE: usize = 0;
}

dispatch! {
    pub struct Routes;
    defaults { stall: NEVER, idle: MINUTE }

    zero:  "/zero" => Room { max_message: NONE, mailbox: limits::NONE, timers: NONE };
    most:  "/most" => Room { outbox: HUGE, outbox_frames: HUGE, tasks: HUGE };
    times: "/times" => Room { ping: NEVER, idle: AGES, hook_timeout: NEVER };
    rates: "/rates" => Room { rate: STILL };
    slow:  "/slow" => Room { rate: SLOW };
    ping:  "/ping" => Room { ping: MINUTE };
    mixed: "/mixed" => Room { ping: 60s };
    own:   "/own" => Room { ping: MINUTE, idle: 30s };
    off:   "/off" => Room { ping: MINUTE, idle: off };
}

mod of_defaults {
    use super::*;

    dispatch! {
        pub struct Routes;
        defaults { ping: MINUTE, idle: MINUTE }

        room: "/room" => Room { stall: MINUTE };
    }
}

fn main() {}
