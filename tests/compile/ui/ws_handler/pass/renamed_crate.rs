//! The library under another name, said with `crate = …`.
#![deny(warnings)]

mod framework {
    pub use ::ws_server as sockets;
}

/// Hides the library's own name, which expansions use unless told otherwise.
mod ws_server {}

use framework::sockets::prelude::*;

#[derive(Clone, FromRef)]
#[from_ref(crate = crate::framework::sockets)]
struct App {
    name: String,
}

struct Echo;

#[ws_handler(crate = crate::framework::sockets)]
impl Echo {
    fn init(name: State<String>) -> Self {
        let _ = name.len();
        Echo
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

#[framework::sockets::main(crate = crate::framework::sockets)]
async fn main() {
    is_handler::<Echo>();
    assert_eq!(
        <String as FromRef<_>>::from_ref(&App {
            name: "app".to_owned()
        }),
        "app"
    );
}

fn is_handler<H: framework::sockets::handler::Handler<framework::sockets::extract::AnyRoute>>() {}
