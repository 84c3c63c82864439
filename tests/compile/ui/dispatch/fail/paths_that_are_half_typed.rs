//! A path that ends in `::` is reported where it stands; no other line is lost.
use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    first: "/first" => chat::
    second: "/second" => use admin::
    third: "/third" => Room { start: crate::devices:: };
    fourth: "/fourth" => Room;
}

fn main() {
    let _ = (Routes::first(), Routes::third(), Routes::fourth());
}
