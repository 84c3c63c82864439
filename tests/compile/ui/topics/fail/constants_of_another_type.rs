use ws_server::prelude::*;

const MESSAGES: u32 = 10;
const SECONDS: u64 = 60;

topics! {
    Room: "room" => u8 { history: MESSAGES, keep: SECONDS };
    Hall: "hall" => u8 { history: MISSING, keep: 1m };
}

fn main() {
    let _ = (Room, Hall);
}
