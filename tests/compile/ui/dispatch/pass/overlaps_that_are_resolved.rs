//! Patterns that match the same paths, one of them always the more specific.

use ws_server::extract::NoState;
use ws_server::limits::LimitOptions;
use ws_core::route::Lookup;
use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

dispatch! {
    struct Routes;

    new: "/rooms/new" => Echo;
    id: "/rooms/{_id: u64}" => Echo;
    name: "/rooms/{_name}" => Echo;
    rest: "/rooms/{*_rest}" => Echo;
    all: "/{*_all}" => Echo;
    root: "/" => Echo;
    one: "/{_id: u64}/a" => Echo;
    two: "/{_id: i64}/b" => Echo;
}

pub(crate) fn main() {
    let router = Routes::table().into_router(NoState, &Hub::default(), &LimitOptions::NONE);
    let router = router.unwrap();
    let name = |path: &str| match router.find(path) {
        Lookup::Found(route, _) => route.spec.name,
        _ => "none",
    };
    let paths = [
        "/rooms/new",
        "/rooms/7",
        "/rooms/x",
        "/rooms",
        "/x",
        "/",
        "/7/a",
        "/-7/b",
    ];
    let expected = ["new", "id", "name", "rest", "all", "root", "one", "two"];
    assert_eq!(paths.map(name), expected);
}
