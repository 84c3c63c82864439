//! `#[cfg_attr(…)]` with a `#[cfg(…)]` in it, and with other attributes; and raw names of hooks.
#![deny(warnings)]

use ws_server::extract::AnyRoute;
use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn r#init() -> Self {
        Room
    }

    fn r#message(&mut self, text: String) -> String {
        text
    }

    #[cfg_attr(all(), cfg(any()))]
    fn info(&mut self, _: NotThere) {}

    #[cfg_attr(any(), cfg(any()))]
    fn info(&mut self, _: u8) {}

    #[cfg_attr(all(), inline, cfg_attr(all(), cfg(any())))]
    fn terminate(self, _: NotThere) {}

    #[cfg_attr(all(), inline, cfg(all()))]
    fn terminate(self, #[cfg_attr(all(), allow(unused_variables))] reason: CloseReason) {}
}

struct Quiet;

#[ws_handler]
impl Quiet {
    #[cfg_attr(true, cfg(false))]
    fn init(_: NotThere) -> Self {
        Quiet
    }

    #[cfg_attr(false, cfg(false))]
    fn init() -> Self {
        Quiet
    }
}

struct Other;

#[ws_handler]
#[cfg_attr(all(), cfg(any()))]
impl Other {
    fn init() -> NotThere {
        NotThere
    }
}

#[ws_handler]
#[cfg_attr(any(), cfg(any()))]
impl Other {
    fn init() -> Self {
        Other
    }
}

const fn is_handler<H: Handler<AnyRoute>>() {}

pub(crate) fn main() {
    is_handler::<Room>();
    is_handler::<Quiet>();
    is_handler::<Other>();
    let _ = |socket: &Socket<Room>| socket.notify(1_u8);
}
