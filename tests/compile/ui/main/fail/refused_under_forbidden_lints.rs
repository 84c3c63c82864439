//! What is wrong is reported once under `forbid`, too.
#![forbid(dead_code)]

#[ws_server::main]
async fn main(arguments: Vec<String>) {
    let _ = arguments;
}
