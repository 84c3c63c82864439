//! A table without the standard prelude, in a module with modules named as the standard
//! libraries are, and with every name of the prelude taken.
#![deny(warnings)]
#![no_implicit_prelude]
#![allow(dead_code, unused_macros)]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]

mod core {}
mod std {}
mod alloc {}
mod route {}
mod extract {}

enum Option {}
enum Result {}
enum Vec {}
enum String {}
trait Send {}
trait Sync {}
trait Clone {}
trait AsRef {}
trait Display {}
trait FromStr {}
trait From {}
trait Into {}
fn Some() {}
fn None() {}
fn Ok() {}
fn Err() {}
fn drop() {}
enum usize {}
enum str {}
enum bool {}
const path: u8 = 0;
const params: u8 = 0;
const state: u8 = 0;
const table: u8 = 0;
const url: u8 = 0;
const handshake: u8 = 0;
const outer: u8 = 0;
const prefix: u8 = 0;
const fault: u8 = 0;
const segment: u8 = 0;
struct Box;
struct Table;
struct Entry;
struct RouteUrl;
struct Refusal;

macro_rules! unreachable {
    () => {
        ::core::compile_error!("the macro of the user");
    };
}
macro_rules! compile_error {
    () => {};
}

struct Room;

#[::ws_server::ws_handler]
impl Room {
    fn init(
        _: ::ws_server::prelude::Path<(::core::primitive::u64, ::std::string::String)>,
        _: ::ws_server::prelude::State<App>,
    ) -> Self {
        Room
    }

    fn message(&mut self, text: ::std::string::String) -> ::std::string::String {
        text
    }
}

struct Echo;

#[::ws_server::ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

struct App;

impl ::core::clone::Clone for App {
    fn clone(&self) -> Self {
        App
    }
}

fn start(
    _: &::ws_server::prelude::Handshake,
) -> ::core::result::Result<(), ::ws_server::prelude::Refusal> {
    ::core::result::Result::Ok(())
}

::ws_server::dispatch! {
    struct Inner;

    echo: "/" => Echo;
}

::ws_server::dispatch! {
    struct Routes;
    state: App;

    room: "/rooms/{id: ::core::primitive::u64}/{name}" => Room { start: start, ping: 20s };
    rest: "/rest/{*_rest}" => Echo;
    page: "/page" => Echo { attach: page, origins: ["https://a.example"], rate: 2/s };
    inner: "/inner" => use Inner;
}

pub(crate) fn main() {
    let _ = Routes::table();
    ::core::assert_eq!(Routes::room(7, "x").as_str(), "/rooms/7/x");
    ::core::assert_eq!(Routes::rest("a/b").as_str(), "/rest/a/b");
    ::core::assert_eq!(Routes::inner(Inner::echo()).as_str(), "/inner");
}
