//! The attribute stands on a struct.

#[ws_server::main]
struct Main {
    field: u8,
}

fn main() {}
