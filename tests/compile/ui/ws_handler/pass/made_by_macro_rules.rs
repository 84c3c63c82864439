//! Handlers whose types, names and bodies come from `macro_rules!`.
#![deny(warnings)]

use ws_server::prelude::*;

macro_rules! echo {
    ($name:ident, $payload:ty, $value:ty, $hub:ty, $argument:ident => $reply:expr) => {
        struct $name;

        #[ws_handler]
        impl $name {
            fn init(_socket: &Socket<Self>) -> Self {
                $name
            }

            fn message(&mut self, $argument: $payload, _hub: $hub) -> $payload {
                $reply
            }

            async fn info(&mut self, _value: $value, _hub: $hub) {}

            fn terminate(self, _reason: CloseReason) {}
        }
    };
}

echo!(Text, String, u8, &Hub, text => text);
echo!(Binary, Bytes, (u8, u8), Hub, bytes => bytes.slice(..1));

pub(crate) fn main() {
    is_handler::<Text>();
    is_handler::<Binary>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
