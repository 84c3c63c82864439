//! Lifetimes that are elided, anonymous, declared by the hook, or `'static`.
#![deny(warnings)]

use ws_server::extract::{Context, FromConnection};
use ws_server::{extract::FromHandshake, extract::Opening, prelude::*};

/// An extractor that borrows from the connection.
struct Both<'a, H> {
    socket: &'a Socket<H>,
    hub: &'a Hub,
}

impl<'a, H, R> FromConnection<'a, H, R> for Both<'a, H> {
    fn from_connection(context: &'a Context<H>) -> Self {
        Both {
            socket: context.socket(),
            hub: context.hub(),
        }
    }
}

/// An extractor that borrows from the request.
struct Host<'a>(&'a str);

impl<'a, H, R> FromHandshake<'a, H, R> for Host<'a> {
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        opening
            .handshake()
            .header("host")
            .map(Host)
            .ok_or(Refusal::BAD_REQUEST)
    }
}

struct Named<'n> {
    name: &'n str,
}

#[ws_handler]
impl<'n> Named<'n> {
    async fn init<'a, 'b: 'a>(
        host: Host<'a>,
        _socket: &'b Socket<Self>,
        _handshake: &Handshake,
    ) -> Self {
        std::future::ready(host.0.len()).await;
        Self { name: "nobody" }
    }

    async fn message<'a>(&'a mut self, _text: String, both: Both<'a, Self>) -> &'static str {
        std::future::ready((both.socket, both.hub)).await;
        "done"
    }

    fn info(&mut self, _call: fn(&str) -> &str, both: Both<'_, Self>, hub: &Hub) -> String {
        let _ = (both.hub, hub);
        self.name.to_owned()
    }

    fn terminate(&self, _both: Both<'_, Self>) {}
}

struct Anonymous<'n>(&'n str);

#[ws_handler]
impl Anonymous<'_> {
    fn init() -> Self {
        Self("nobody")
    }

    fn message(&self, _message: Message) -> String {
        self.0.to_owned()
    }
}

pub(crate) fn main() {
    is_handler::<Named<'static>>();
    is_handler::<Anonymous<'static>>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
