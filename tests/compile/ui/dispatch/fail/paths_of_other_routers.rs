use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    a: "/a/<id>" => Room;
    b: "/b/<rest..>" => Room;
    c: "/c/{rest*}" => Room;
    d: "/d/{rest..}" => Room;
    e: "/e/{**rest}" => Room;
    f: "/f/{tail:.*}" => Room;
    g: "/g/:id/:name" => Room;
    h: "/h/*" => Room;
    i: "ws://localhost/i" => Room;
    j: "/j/{id:[0-9]+}" => Room;
    k: "/k/<int:id>" => Room;
    l: "/l/[id]" => Room;
    m: "/m/{id?}" => Room;
    n: "/n?sort=name" => Room;
    o: "/o#top" => Room;
}

fn main() {
    let urls = [
        Routes::a(7),
        Routes::b("x"),
        Routes::c("x"),
        Routes::d("x"),
        Routes::e("x"),
        Routes::f("x"),
        Routes::g(7, "x"),
        Routes::h("x"),
        Routes::i(),
        Routes::j(7),
        Routes::k(7),
        Routes::l(7),
        Routes::m(7),
        Routes::n(),
        Routes::o(),
    ];
    println!("{urls:?}");
}
