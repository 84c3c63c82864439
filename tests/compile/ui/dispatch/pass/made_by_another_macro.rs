//! A table whose parts come through the variables of another macro.

use ws_server::{prelude::*, route::Table};

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

macro_rules! table {
    ($vis:vis $name:ident, $state:ty, $route:ident, $path:literal, $handler:ty, $size:literal) => {
        dispatch! {
            $vis struct $name;
            state: $state;

            $route: $path => $handler { mailbox: $size, idle: 90s };
            other: "/other" => Echo;
        }
    };
}

table!(pub Routes, String, room, "/rooms/{_id: u64}", Echo, 8);

pub(crate) fn main() {
    let _: Table<String> = Routes::table();
    assert_eq!(Routes::room(7).to_string(), "/rooms/7");
}
