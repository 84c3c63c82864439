use ws_server::prelude::*;

#[derive(PathParams)]
#[path_params(krate = ::ws_server)]
struct Place {
    id: u64,
}

fn main() {}
