//! Under every lint that a careful crate denies.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    unused_lifetimes
)]
#![deny(
    rust_2018_idioms,
    single_use_lifetimes,
    trivial_casts,
    unused_results,
    future_incompatible
)]
#![deny(
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    missing_debug_implementations
)]
#![deny(let_underscore_drop, non_local_definitions, elided_lifetimes_in_paths)]

use ws_server::prelude::*;

/// A room.
#[derive(Debug, Clone)]
struct Room {
    said: u64,
}

/// A state.
#[derive(Clone, Debug, FromRef)]
struct App {
    /// A part.
    name: String,
    /// No part.
    #[from_ref(skip)]
    limit: u64,
}

#[ws_handler]
impl Room {
    /// How often anything was said.
    const START: u64 = 0;

    async fn init(
        _handshake: &Handshake,
        Query(query): Query<Vec<(String, String)>>,
        State(name): State<String>,
    ) -> Result<Self, Refusal> {
        std::future::ready(()).await;
        if query.is_empty() || name.is_empty() {
            return Err(Refusal::BAD_REQUEST);
        }
        Ok(Self { said: Self::START })
    }

    fn message(&mut self, _text: String) {
        self.said += 1;
    }

    async fn info(&mut self, value: u64, _hub: &Hub, _state: State<String>) -> Option<String> {
        std::future::ready(()).await;
        self.helper(value)
    }

    async fn terminate(mut self, _hub: &Hub, _reason: CloseReason) {
        std::future::ready(()).await;
        self.said = 0;
    }

    fn helper(&self, value: u64) -> Option<String> {
        (self.said > value).then(|| "enough".to_owned())
    }
}

/// A handler of nothing but plain functions.
#[derive(Debug)]
struct Plain;

#[ws_handler]
impl Plain {
    const fn helper(number: u8) -> u8 {
        number
    }

    fn init() -> Self {
        Self
    }

    fn info(&self, number: u8) -> String {
        Self::helper(number).to_string()
    }

    fn terminate(&mut self) {}
}

#[ws_server::main]
async fn main() {
    std::future::ready(()).await;
    let app = App {
        name: String::new(),
        limit: 1,
    };
    assert_eq!(app.limit, 1);
    is_handler::<Room>();
    is_handler::<Plain>();
}

/// Asks the compiler.
const fn is_handler<H: Handler<ws_server::extract::AnyRoute>>() {}
