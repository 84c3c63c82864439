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
    defaults { protocols: ["Bearer"] }

    devices: "/devices" => Devices { protocols: ["v2.devices", "bearer"] };
}

fn main() {
    let _ = Routes::table();
}
