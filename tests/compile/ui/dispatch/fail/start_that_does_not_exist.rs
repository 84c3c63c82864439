use ws_server::prelude::*;

struct Devices;

#[ws_handler]
impl Devices {
    fn init() -> Self {
        Devices
    }
}

dispatch! {
    pub struct Routes;

    devices: "/devices" => Devices { start: self::only_v2 };
}

fn main() {
    let _ = Routes::table();
}
