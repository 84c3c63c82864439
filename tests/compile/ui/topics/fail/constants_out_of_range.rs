use std::time::Duration;

use ws_server::prelude::*;

const NONE: usize = 0;
const MANY: usize = 20_000;
const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(100_000);
const TEN: Duration = Duration::from_secs(600);

topics! {
    A: "a" => u8 { history: NONE, keep: TEN };
    B: "b" => u8 { history: MANY, keep: SHORT };
    C: "c" => u8 { history: latest, keep: LONG };
}

fn main() {
    let _ = (A, B, C);
}
