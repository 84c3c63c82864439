use ws_server::prelude::*;

#[derive(PathParams)]
enum Place {
    Here,
}

fn main() {}
