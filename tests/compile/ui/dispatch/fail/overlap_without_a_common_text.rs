//! Types are compared as they are written: no path is shown that neither route matches.

use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    flag:   "/{_a: bool}" => Room;
    number: "/{_b: u64}" => Room;
    letter: "/{_c: char}/x" => Room;
    other:  "/{_d: bool}/x" => Room;
}

fn main() {
    println!("{} {}", Routes::flag(true), Routes::number(7));
}
