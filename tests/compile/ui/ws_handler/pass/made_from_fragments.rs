//! Blocks whose parts are fragments of every kind: the type, whole hooks, blocks, patterns,
//! lifetimes, paths and the arguments of the attribute.
#![deny(warnings)]

use ws_server::prelude::*;

macro_rules! of_type {
    ($ty:ty, $path:path, $lifetime:lifetime, $pattern:pat => $value:expr, $body:block, $reason:ty) => {
        #[ws_handler(crate = $path)]
        impl $ty {
            fn init<$lifetime>(_: &$lifetime Handshake) -> Result<$ty, Refusal> {
                Ok($value)
            }

            fn message(&mut self, $pattern: Json<(u8, u8)>) -> impl Into<Close> + IntoReply $body

            async fn info(&mut self, _: $ty, socket: &Socket<$ty>) {
                let _ = std::future::ready(socket).await;
            }

            fn terminate(self, reason: $reason) {
                let _ = reason;
            }
        }
    };
}

use ws_server::reply::IntoReply;

struct Pair<T>(T);

of_type!(
    Pair<u8>, ::ws_server, 'h, (Json((_, 1..)) | Json((_, 0))) => Pair(1), { Close::NORMAL },
    CloseReason
);

macro_rules! of_hooks {
    ($name:ident { $($hook:item)* } $($called:ident($($ty:ty),*) -> $reply:ty;)*) => {
        struct $name(u64);

        #[ws_handler]
        impl $name {
            $($hook)*

            $(async fn $called(&mut self, $(_: $ty),*) -> $reply {
                let () = std::future::ready(()).await;
                self.0 += 1;
                self.0.to_string()
            })*
        }
    };
}

of_hooks! {
    Counter {
        fn init(_: Hub) -> Self { Counter(0) }
    }
    message(String, &Hub, &Socket<Self>) -> String;
    info(u8, Hub) -> String;
}

/// A macro that writes a block, and hands it to another as a whole.
macro_rules! whole {
    ($name:ident: $($rest:tt)*) => {
        struct $name;
        as_it_is! {
            #[ws_handler]
            impl $name { $($rest)* }
        }
    };
}

macro_rules! as_it_is {
    ($block:item) => {
        $block
    };
}

whole! {
    Passed:
    fn init() -> Self { Passed }
    fn message(&self, text: String) -> String { text }
}

pub(crate) fn main() {
    is_handler::<Pair<u8>>();
    is_handler::<Counter>();
    is_handler::<Passed>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
