//! The handler of the documentation, with all four hooks as plain functions.
#![deny(warnings)]

use std::time::Duration;

use ws_server::prelude::*;

struct Greeter;

#[ws_handler]
impl Greeter {
    fn init(socket: &Socket<Self>) -> Self {
        let _ = socket.notify_after(Duration::from_secs(1), "Hello!");
        Greeter
    }

    fn message(&mut self, text: String) -> String {
        format!("You said: {text}")
    }

    fn info(&mut self, greeting: &'static str, socket: &Socket<Self>) -> &'static str {
        let _ = socket.notify_after(Duration::from_secs(5), "Hello again!");
        greeting
    }

    fn terminate(self, reason: CloseReason) {
        let _ = reason.to_string();
    }
}

pub(crate) fn main() {
    is_handler::<Greeter>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
