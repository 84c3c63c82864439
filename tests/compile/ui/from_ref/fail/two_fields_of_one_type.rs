//! Two fields have one type, so neither can be asked for.

use std::sync::Arc;

use ws_server::prelude::*;

#[derive(Clone, FromRef)]
struct App {
    reader: Arc<String>,
    name: String,
    writer: Arc<String>,
}

#[derive(Clone, FromRef)]
struct Pair(u8, u8);

fn main() {}
