//! A trait in scope that gives every type methods of the names that an expansion calls.
#![deny(warnings)]
#![allow(dead_code)]

use ws_server::prelude::*;

trait Meddler {
    fn now(&self) {}
    fn take(&self) {}
    fn parts(&self) {}
    fn finish(&self) {}
    fn context(&self) {}
    fn undecodable(&self) {}
    fn next_notification(&self) {}
    fn into_reply(&self) {}
    fn into_init(&self) {}
    fn from_message(&self) {}
    fn from_connection(&self) {}
    fn nest(&self) {}
    fn start(&self) {}
    fn below(&self) {}
    fn read(&self) {}
    fn write(&self) {}
}

impl<T> Meddler for T {}

struct Waits;

#[ws_handler]
impl Waits {
    async fn init(_: &Handshake) -> Result<Self, Refusal> {
        Ok(Waits)
    }

    async fn message(&mut self, text: String, _: &Hub) -> String {
        text
    }

    async fn info(&mut self, _: u8, _: &Socket<Self>) {}

    async fn terminate(self, _: CloseReason, _: &Hub) {}
}

struct Plain;

#[ws_handler]
impl Plain {
    fn init() -> Self {
        Plain
    }

    fn message(&mut self, text: String, _: &Hub) -> String {
        text
    }

    fn info(&mut self, _: u8) {}

    fn terminate(self, _: &Hub) {}
}

fn start(_: &Handshake) -> Result<(), Refusal> {
    Ok(())
}

dispatch! {
    struct Inner;

    plain: "/plain/{_name}/{_id: u64}" => Plain;
}

dispatch! {
    struct Routes;

    waits: "/waits/{*rest}" => Waits { start: start };
    inner: "/inner" => use Inner;
}

pub(crate) fn main() {
    let _ = Routes::table();
    let url = Routes::inner(Inner::plain("x", 7));
    assert_eq!(url.as_str(), "/inner/plain/x/7");
}
