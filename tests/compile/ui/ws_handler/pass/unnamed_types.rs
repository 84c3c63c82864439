//! `impl Trait` in what hooks return, at any depth, and hooks that never return.
#![deny(warnings)]

use std::fmt::Display;

use serde::Serialize;
use ws_server::prelude::*;
use ws_server::reply::IntoReply;

struct Late;

impl From<Late> for Refusal {
    fn from(_: Late) -> Self {
        Refusal::SERVICE_UNAVAILABLE
    }
}

struct Room;

#[ws_handler]
impl Room {
    fn init(late: Option<Session>) -> Result<Self, impl Into<Refusal>> {
        if late.is_some() { Err(Late) } else { Ok(Room) }
    }

    fn message(&mut self, text: String) -> Json<impl Serialize + use<>> {
        Json([text])
    }

    fn info(&mut self, number: u8) -> Result<impl IntoReply + use<>, Close> {
        if number == 0 {
            return Err(Close::NORMAL);
        }
        Ok(number.to_string())
    }
}

struct Lobby;

#[ws_handler]
impl Lobby {
    async fn init() -> Result<Self, impl Into<Refusal>> {
        Ok::<_, Late>(Lobby)
    }

    async fn message(&mut self, text: String) -> Option<(impl IntoReply + use<>, Close)> {
        Some((text, Close::NORMAL))
    }

    async fn info(&mut self, number: u8) -> Vec<impl IntoReply + Display + use<>> {
        vec![number.to_string()]
    }
}

struct Never;

#[ws_handler]
impl Never {
    fn init() -> ! {
        panic!("no connection is made")
    }

    fn message(&mut self, _: String) -> ! {
        panic!("no message is taken")
    }

    fn info(&mut self, _: u8, _: &Hub) -> ! {
        panic!("no notification is taken")
    }

    fn terminate(self) -> ! {
        panic!("no end")
    }
}

struct NeverAsync;

#[ws_handler]
impl NeverAsync {
    async fn init(_: &Hub) -> ! {
        std::future::pending().await
    }

    async fn message(&mut self, _: String) -> ! {
        std::future::pending().await
    }

    async fn info(&mut self, _: u8) -> ! {
        loop {
            std::future::pending::<()>().await;
        }
    }

    async fn terminate(self, _: CloseReason) -> ! {
        std::future::pending().await
    }
}

const fn is_handler<H: Handler<ws_server::extract::AnyRoute>>() {}

pub(crate) fn main() {
    is_handler::<Room>();
    is_handler::<Lobby>();
    is_handler::<Never>();
    is_handler::<NeverAsync>();
}
