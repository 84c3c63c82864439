use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

mod without_keyword {
    use super::*;

    dispatch! {
        pub Routes;
        room: "/room" => Room;
    }
}

mod bare {
    use super::*;

    dispatch! {
        Routes;
        room: "/room" => Room;
    }
}

mod other_keyword {
    use super::*;

    dispatch! {
        pub enum Routes { Room }
        room: "/room" => Room;
    }
}

mod without_name {
    use super::*;

    dispatch! {
        pub struct;
        room: "/room" => Room;
    }
}

mod with_comma {
    use super::*;

    dispatch! {
        pub struct Routes,
        room: "/room" => Room;
    }
}

fn main() {
    let urls = [
        without_keyword::Routes::room(),
        other_keyword::Routes::room(),
        with_comma::Routes::room(),
    ];
    println!("{urls:?}");
}
