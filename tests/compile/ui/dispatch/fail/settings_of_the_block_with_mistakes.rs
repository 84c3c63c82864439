use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

mod colon {
    use super::*;

    dispatch! {
        pub struct Routes;
        defaults: { mailbox: 8 }
        room: "/room" => Room;
    }
}

mod equals {
    use super::*;

    dispatch! {
        pub struct Routes;
        state = u8;
        crate = ::ws_server;
        defaults = { mailbox: 8 };
        room: "/room" => Room;
    }
}

mod nothing {
    use super::*;

    dispatch! {
        pub struct Routes;
        state u8;
        defaults (mailbox: 8)
        room: "/room" => Room;
    }
}

mod missing {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: ;
        crate: 5;
        defaults;
        room: "/room" => Room;
    }
}

mod of_a_type {
    use super::*;

    dispatch! {
        pub struct Routes;
        crate: ::ws_server::Self;
        room: "/room" => Room;
    }
}

mod no_type {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: 5;
        room: "/room" => Room;
    }
}

fn main() {
    let urls = [
        colon::Routes::room(),
        equals::Routes::room(),
        nothing::Routes::room(),
        missing::Routes::room(),
        no_type::Routes::room(),
    ];
    println!("{urls:?}");
}
