use std::rc::Rc;
use std::sync::Arc;

use ws_server::{prelude::*, route::Table};

trait Db {}

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

mod counted {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: Rc<u8>;
        room: "/room" => Room;
    }
}

mod unsized_type {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: dyn Db;
        room: "/room" => Room;
    }
}

mod borrowed {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: &String;
        room: "/room" => Room;
    }
}

mod unnamed {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: _;
        room: "/room" => Room;
    }
}

fn main() {
    let _: Table<Arc<dyn Db>> = unsized_type::Routes::table();
    let urls = [
        counted::Routes::room(),
        unsized_type::Routes::room(),
        borrowed::Routes::room(),
        unnamed::Routes::room(),
    ];
    println!("{urls:?}");
}
