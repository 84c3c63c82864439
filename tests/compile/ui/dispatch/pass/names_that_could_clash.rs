//! Names that the expansion or Rust might want for itself.
#![allow(deprecated)]

use ws_server::prelude::*;

mod room {
    use ws_server::prelude::*;

    pub struct Room;

    #[ws_handler]
    impl Room {
        fn init() -> Self {
            Room
        }
    }
}

#[allow(dead_code, non_camel_case_types)]
struct Option;
#[allow(dead_code)]
struct String;
#[allow(dead_code)]
struct Result;
#[derive(Clone)]
struct T;

dispatch! {
    struct Routes;
    state: T;

    room: "/room/{type}/{self_: u8}/{r#match}" => room::Room;
    r#type: "/type/{path}/{params: u8}/{url}" => room::Room;
    state: "/state/{u8: u8}" => room::Room;
    defaults: "/defaults/{table}" => room::Room;
    u64: "/u64/{u64: u64}" => room::Room;
    new: "/new" => room::Room;
    core: "/core" => room::Room;
    find: "/find" => room::Room;
    routes: "/routes/{core}/{find}" => room::Room;
}

dispatch! {
    struct More;

    room: "/more" => room::Room;
}

/// The parameters that the expansion adds to implementations.
mod parameters {
    use ws_server::prelude::*;

    #[derive(Clone)]
    pub struct PartOfState;
    pub struct Seat;

    #[derive(PathParams)]
    pub struct Place<SomeRoute> {
        pub id: SomeRoute,
    }

    #[ws_handler]
    impl Seat {
        fn init(State(_): State<PartOfState>, Path(_): Path<Place<u8>>) -> Self {
            Seat
        }
    }

    dispatch! {
        pub struct SomeRoute;
        state: PartOfState;

        seat: "/seats/{id: u8}" => Seat { start: handshake };
        bench: "/benches/{id: u8}" => Seat { start: start };
    }

    fn handshake(_: &Handshake) -> Result<(), Refusal> {
        Ok(())
    }

    fn start(_: &Handshake) -> Result<(), Refusal> {
        Err(Refusal::FORBIDDEN)
    }
}

dispatch! {
    struct StateOfOuterTable;
    state: parameters::PartOfState;

    url: "/below" => use parameters::SomeRoute;
}

/// Constants that are named as an argument would be.
mod constants {
    use ws_server::prelude::*;

    #[allow(non_upper_case_globals, dead_code)]
    const inner_url: u8 = 7;
    #[allow(non_upper_case_globals, dead_code)]
    const url: u8 = 7;

    dispatch! {
        pub struct Routes;
        state: super::parameters::PartOfState;

        below: "/below" => use super::parameters::SomeRoute;
    }
}

pub(crate) fn main() {
    assert_eq!(
        constants::Routes::below(parameters::SomeRoute::seat(1)).to_string(),
        "/below/seats/1"
    );
    let _ = StateOfOuterTable::table();
    assert_eq!(
        StateOfOuterTable::url(parameters::SomeRoute::seat(1)).to_string(),
        "/below/seats/1"
    );
    let _ = (Routes::table(), More::table());
    assert_eq!(Routes::room("a", 1, "b").to_string(), "/room/a/1/b");
    assert_eq!(Routes::r#type("a", 1, "b").to_string(), "/type/a/1/b");
    assert_eq!(Routes::state(1).to_string(), "/state/1");
    assert_eq!(Routes::u64(1).to_string(), "/u64/1");
}
