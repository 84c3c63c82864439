//! The handler itself may not leave its thread.

use std::rc::Rc;

use ws_server::prelude::*;

struct Room {
    shared: Rc<u8>,
}

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room { shared: Rc::new(1) }
    }
}

fn main() {}
