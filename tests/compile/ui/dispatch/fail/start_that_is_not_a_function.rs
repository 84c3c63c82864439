use ws_server::prelude::*;

struct Devices;

#[ws_handler]
impl Devices {
    fn init() -> Self {
        Devices
    }
}

const ONLY_V2: bool = true;

dispatch! {
    pub struct Routes;

    devices: "/devices" => Devices { start: ONLY_V2 };
}

fn main() {
    let _ = Routes::table();
}
