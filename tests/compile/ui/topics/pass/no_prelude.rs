//! A block without the standard prelude, in a module with modules named as the standard libraries
//! are, and with names of the prelude taken.
#![deny(warnings)]
#![no_implicit_prelude]
#![allow(dead_code, unused_macros, non_camel_case_types, non_snake_case)]

mod core {}
mod std {}
mod alloc {}
mod topic {}

enum Option {}
enum String {}
trait Clone {}
trait Copy {}
trait Hash {}
trait Debug {}
fn Some() {}
fn None() {}
enum u64 {}
enum str {}
enum bool {}

macro_rules! panic {
    () => {
        ::core::compile_error!("the macro of the user");
    };
}

const KEEP: ::core::time::Duration = ::core::time::Duration::from_secs(5);

::ws_server::prelude::topics! {
    pub struct Topics;

    pub Room: "room/{id: ::core::primitive::u64}/{name}" => ::std::string::String {
        history: 10, keep: KEEP, presence: ::core::primitive::u8
    };
    pub Typing: "typing" => ::core::primitive::u8 { relay: live };
}

pub(crate) fn main() {
    use ::ws_server::topic::DeclaredTopic as _;

    let room = Room(7, ::std::convert::Into::into("x"));
    ::core::assert_eq!(room.name(), "room/7/x");
    ::core::assert_eq!(Typing.name(), "typing");
}
