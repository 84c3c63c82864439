use ws_server::prelude::*;

#[derive(PathParams)]
union Place {
    id: u64,
}

fn main() {}
