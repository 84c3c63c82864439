//! Constants, statics and unit structs that are named as one would name a local value: a
//! binding of that name would be a pattern.
#![deny(warnings)]
#![allow(non_upper_case_globals, non_camel_case_types, dead_code)]

use ws_server::prelude::*;

const call: u8 = 0;
const this: u8 = 0;
const context: u8 = 0;
const payload: u8 = 0;
const incoming: u8 = 0;
const outcome: u8 = 0;
const taken: u8 = 0;
static future: u8 = 0;
static ending: u8 = 0;
static reason: u8 = 0;
const error: u8 = 0;
const opening: u8 = 0;
const argument_0: u8 = 0;
const argument_1: u8 = 0;
const whole: u8 = 0;
const params: u8 = 0;
struct value;

#[derive(Clone, FromRef)]
struct App {
    name: String,
}

#[derive(PathParams)]
struct Place {
    id: u64,
}

struct Waits;

#[ws_handler]
impl Waits {
    async fn init(Path(Place { id: _ }): Path<Place>, _: State<String>) -> Result<Self, Refusal> {
        Ok(Waits)
    }

    async fn message(&mut self, text: String, _: &Hub) -> String {
        text
    }

    async fn info(&mut self, _: u8, _: &Socket<Self>) {}

    async fn terminate(&mut self, _: CloseReason, _: &Hub) {}
}

struct Plain;

#[ws_handler]
impl Plain {
    fn init(_: &Handshake) -> Self {
        Plain
    }

    fn message(&mut self, text: String, _: &Hub) -> String {
        text
    }

    fn info(&mut self, _: u8, _: &Socket<Self>) {}

    fn terminate(self, _: CloseReason, _: &Hub) {}
}

pub(crate) fn main() {
    is_handler::<Waits>();
    is_handler::<Plain>();
    let app = App {
        name: "name".to_owned(),
    };
    assert_eq!(String::from_ref(&app), "name");
}

fn is_handler<H>() {}
