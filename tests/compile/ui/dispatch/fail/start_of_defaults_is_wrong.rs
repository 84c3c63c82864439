//! One mistake in `defaults` is one error, however many routes there are.

use ws_server::prelude::*;

struct Devices;

#[ws_handler]
impl Devices {
    fn init() -> Self {
        Devices
    }
}

fn only_v2(_: &Handshake) -> u8 {
    2
}

dispatch! {
    pub struct Routes;
    defaults { start: only_v2 }

    one: "/one" => Devices;
    two: "/two" => Devices;
}

fn main() {
    let _ = Routes::table();
}
