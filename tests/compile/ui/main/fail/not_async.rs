//! `main` does not wait for anything.

#[ws_server::main]
fn main() {}
