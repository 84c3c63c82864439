//! `main` takes arguments and a type.

#[ws_server::main]
async fn main<T>(arguments: Vec<T>, more: u8) {
    let _ = (arguments, more);
}
