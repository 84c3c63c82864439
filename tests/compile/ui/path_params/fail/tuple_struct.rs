use ws_server::prelude::*;

#[derive(PathParams)]
struct Place(u64, String);

fn main() {}
