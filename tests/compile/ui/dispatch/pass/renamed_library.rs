//! The library under another name.

mod deep {
    pub mod live {
        pub use ws_server::*;
    }
}

use deep::live::prelude::*;

struct Echo;

#[ws_handler(crate = crate::deep::live)]
impl Echo {
    fn init(Path(Place { id: _, name: _ }): Path<Place>) -> Self {
        Echo
    }
}

#[derive(PathParams)]
#[path_params(crate = crate::deep::live)]
struct Place {
    id: u64,
    name: String,
}

dispatch! {
    struct Routes;
    crate: crate::deep::live;

    echo: "/echo/{name}/{id: u64}" => Echo;
}

fn main() {
    let _ = Routes::table();
    assert_eq!(Routes::echo("a", 1).to_string(), "/echo/a/1");
}
