use ws_server::prelude::*;

#[derive(PathParams)]
struct Place<'a> {
    name: &'a str,
}

fn main() {}
