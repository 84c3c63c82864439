use ws_server::prelude::*;

struct Devices;

#[ws_handler]
impl Devices {
    fn init() -> Self {
        Devices
    }
}

fn only_v2(_: &Handshake) -> Result<(), Refusal> {
    Ok(())
}

dispatch! {
    pub struct Routes;
    defaults { start: "only_v2" }

    number: "/number" => Devices { start: 5 };
    called: "/called" => Devices { start: only_v2() };
    closed: "/closed" => Devices { start: |_| Ok(()) };
    list: "/list" => Devices { start: ["only_v2"] };
    flag: "/flag" => Devices { start: true };
    keyword: "/keyword" => Devices { start: fn };
    twice: "/twice" => Devices { start: only_v2, start: only_v2 };
    path: "/path" => Devices { origins: crate::only_v2, on_full: only_v2 };
}

fn main() {
    let _ = Routes::table();
    let _ = only_v2;
}
