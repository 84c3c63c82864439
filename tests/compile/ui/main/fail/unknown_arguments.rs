//! The attribute has arguments that it does not know, or of the wrong kind.

#[ws_server::main(flavor = "current_thread")]
async fn flavor() {}

#[ws_server::main(workers = 0)]
async fn none() {}

#[ws_server::main(workers = "4")]
async fn text() {}

#[ws_server::main(workers)]
async fn nothing() {}

#[ws_server::main(workers = 1, workers = 2)]
async fn twice() {}

fn main() {}
