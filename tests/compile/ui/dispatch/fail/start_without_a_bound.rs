use ws_server::prelude::*;

struct Devices;

#[ws_handler]
impl Devices {
    fn init() -> Self {
        Devices
    }
}

struct Old;

#[ws_handler]
impl Old {
    fn init(_: State<u64>) -> Self {
        Old
    }
}

fn by_version<R>(_: &Handshake) -> Start<R> {
    Start::with::<Old>()
}

dispatch! {
    pub struct Routes;

    devices: "/devices" => Devices { start: by_version };
}

fn main() {
    let _ = Routes::table();
}
