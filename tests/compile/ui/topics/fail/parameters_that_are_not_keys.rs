use ws_server::prelude::*;

/// Neither `Clone` nor `Hash` nor `Debug`.
#[derive(PartialEq, Eq)]
struct Id;

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("id")
    }
}

topics! {
    Room: "room/{id: Id}" => u8;
    Hall: "hall/{id: std::rc::Rc<u8>}" => u8;
}

fn main() {
    let _ = (Room(Id), Hall(std::rc::Rc::new(1)));
}
