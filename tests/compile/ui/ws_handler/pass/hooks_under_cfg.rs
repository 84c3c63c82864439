//! Alternatives of a hook, hooks that are left out, and a block that is left out.
#![deny(warnings)]
#![allow(unexpected_cfgs)]

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    #[cfg(not(feature = "never"))]
    fn message(&mut self, text: String, _hub: &Hub) -> String {
        text
    }

    #[cfg(feature = "never")]
    fn message(&mut self, bytes: Bytes, _hub: &TypeThatIsNotThere) -> Bytes {
        bytes
    }

    #[cfg(feature = "never")]
    fn info(&mut self, value: TypeThatIsNotThere) {}

    #[cfg(all())]
    fn terminate(self) {}
}

struct Left;

#[ws_handler]
#[cfg(feature = "never")]
impl Left {
    fn init(missing: &TypeThatIsNotThere) -> Self {
        Left
    }
}

pub(crate) fn main() {
    let _ = Left;
    is_handler::<Room>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
