use ws_server::prelude::*;

#[derive(PathParams)]
struct Place;

fn main() {}
