use ws_server::prelude::*;

struct Devices;

#[ws_handler]
impl Devices {
    fn init() -> Self {
        Devices
    }
}

fn only_v2(_: &Handshake) -> Result<(), String> {
    Err("no".to_owned())
}

dispatch! {
    pub struct Routes;

    devices: "/devices" => Devices { start: only_v2 };
}

fn main() {
    let _ = Routes::table();
}
