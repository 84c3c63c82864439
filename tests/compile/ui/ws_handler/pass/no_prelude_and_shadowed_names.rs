//! Without the standard prelude, and with everything that an expansion names shadowed.
#![deny(warnings)]
#![no_implicit_prelude]

mod shadowed {
    #![allow(dead_code, non_camel_case_types)]

    pub enum Option {}
    pub enum Result {}
    pub enum Handler {}
    pub enum Call {}
    pub enum Step {}
    pub enum Context {}
    pub trait Send {}
    pub trait Future {}
    pub trait FromConnection {}
    pub trait FromHandshake {}
    pub trait FromMessage {}
    pub trait IntoReply {}
    pub trait IntoInit {}
    pub fn guard() {}
    pub mod core {}
    pub mod std {}
    pub const OK: u8 = 0;
}

#[allow(unused_imports)]
use shadowed::*;

#[allow(non_upper_case_globals, dead_code)]
const __Route: u8 = 0;

struct Echo {
    last: ::std::string::String,
}

#[::ws_server::ws_handler]
impl Echo {
    fn init(_socket: &::ws_server::socket::Socket<Self>) -> Self {
        Self {
            last: ::std::string::String::new(),
        }
    }

    async fn message(
        &mut self,
        text: ::std::string::String,
        _hub: &::ws_server::prelude::Hub,
    ) -> ::std::option::Option<::std::string::String> {
        ::std::option::Option::Some(::std::mem::replace(&mut self.last, text))
    }

    fn info(&mut self, number: u8) -> ::ws_server::close::Close {
        let _ = number;
        ::ws_server::close::Close::NORMAL
    }

    async fn terminate(self, _reason: ::ws_server::close::CloseReason) {}
}

pub(crate) fn main() {
    is_handler::<Echo>();
}

fn is_handler<H: ::ws_server::handler::Handler<::ws_server::extract::AnyRoute>>() {}
