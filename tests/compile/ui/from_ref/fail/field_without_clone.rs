//! A part cannot be cloned for the hook that asks for it.

use ws_server::prelude::*;

struct Db;

#[derive(FromRef)]
struct App {
    db: Db,
}

fn main() {}
