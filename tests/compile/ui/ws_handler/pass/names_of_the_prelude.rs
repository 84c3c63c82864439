//! Types, traits, functions and macros of the user that are named as those of the prelude are.
#![deny(warnings)]
#![allow(dead_code, unused_macros, non_snake_case)]

mod core {}
mod std {}

struct Option;
struct Result;
struct String(::std::string::String);
struct Vec;
struct Box;
trait Send {}
trait Sync {}
trait Future {}
trait From {}
trait Into {}
fn Some() {}
fn None() {}
fn Ok() {}
fn Err() {}
fn drop() {}
fn guard() {}

macro_rules! unreachable {
    () => {
        compile_error!("the macro of the user");
    };
}
macro_rules! compile_error {
    () => {};
}

use ws_server::prelude::{Close, CloseReason, Hub, Json, Session, Socket, ws_handler};

/// A payload of the user, under the name of the library's.
type Text = Json<::std::string::String>;

struct Room(String);

#[ws_handler]
impl Room {
    async fn init(
        _socket: &Socket<Self>,
        _session: ::core::option::Option<Session>,
    ) -> ::core::result::Result<Self, ::ws_server::prelude::Refusal> {
        ::core::result::Result::Ok(Room(String(::std::string::String::new())))
    }

    async fn message(
        &mut self,
        Json(text): Text,
        _hub: &Hub,
    ) -> ::core::result::Result<::std::string::String, Close> {
        self.0 = String(text);
        ::core::result::Result::Err(Close::NORMAL)
    }

    fn info(&mut self, call: Option, _hub: &Hub) -> ::std::vec::Vec<Json<u8>> {
        let Option = call;
        ::std::vec::Vec::new()
    }

    async fn terminate(self, reason: CloseReason, _hub: &Hub) {
        let _ = (reason, self.0.0);
    }
}

pub(crate) fn main() {
    is_handler::<Room>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
