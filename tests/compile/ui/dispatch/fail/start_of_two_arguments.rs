use ws_server::prelude::*;

struct Devices;

#[ws_handler]
impl Devices {
    fn init() -> Self {
        Devices
    }
}

fn only_v2(handshake: &Handshake, hub: &Hub) -> Result<(), Refusal> {
    let _ = (handshake, hub);
    Ok(())
}

dispatch! {
    pub struct Routes;

    devices: "/devices" => Devices { start: only_v2 };
}

fn main() {
    let _ = Routes::table();
}
