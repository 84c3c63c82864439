use ws_server::prelude::*;

struct Id;

#[derive(PathParams)]
struct Place {
    id: Id,
    name: String,
}

fn main() {}
