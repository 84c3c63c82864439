use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

use std::time::Duration;

const SIZE: u32 = 1024;
const TIME: u64 = 20;
const RATE: u32 = 5;
const IDLE: Option<Duration> = None;

dispatch! {
    pub struct Routes;
    defaults { mailbox: SIZE }

    size: "/size" => Room { max_message: SIZE };
    time: "/time" => Room { stall: TIME, idle: IDLE };
    rate: "/rate" => Room { rate: RATE };
    lost: "/lost" => Room { timers: LOST };
    more: "/more" => Room { timers: 4 };
}

fn main() {}
