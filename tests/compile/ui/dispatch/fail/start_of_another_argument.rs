use ws_server::prelude::*;

struct Devices;

#[ws_handler]
impl Devices {
    fn init() -> Self {
        Devices
    }
}

fn only_v2(protocol: &str) -> Result<(), Refusal> {
    let _ = protocol;
    Ok(())
}

dispatch! {
    pub struct Routes;

    devices: "/devices" => Devices { start: only_v2 };
}

fn main() {
    let _ = Routes::table();
}
