//! Types that are named as the primitive ones are.
#![deny(warnings)]
#![allow(non_camel_case_types)]

use ws_server::prelude::*;

struct bool;
struct str;
struct usize;
struct u8;

struct Room(bool, str, usize);

#[ws_handler]
impl Room {
    fn init(_: Session, _: &Hub) -> Self {
        Room(bool, str, usize)
    }

    async fn message(&mut self, text: String, _: Page) -> String {
        let Room(bool, str, usize) = self;
        text
    }

    fn info(&mut self, u8: u8) {
        let _ = u8;
    }
}

pub(crate) fn main() {
    is_handler::<Room>();
    let _ = u8;
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
