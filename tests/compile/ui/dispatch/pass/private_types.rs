//! A public table over private handlers, states, mailboxes, parameters and functions, where
//! nothing private may show (E0446 and its lints).
#![deny(warnings, private_interfaces, private_bounds, unnameable_types)]

pub mod chat {
    use std::str::FromStr;

    use ws_server::prelude::*;

    #[derive(Clone, FromRef)]
    struct App {
        db: Db,
    }

    #[derive(Clone)]
    struct Db;

    struct Event;

    #[derive(PathParams)]
    struct Place {
        id: Id,
    }

    struct Id;

    impl FromStr for Id {
        type Err = ();

        fn from_str(_: &str) -> Result<Self, ()> {
            Ok(Id)
        }
    }

    impl std::fmt::Display for Id {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("id")
        }
    }

    struct Room;

    #[ws_handler]
    impl Room {
        fn init(Path(Place { id: Id }): Path<Place>, _: State<Db>, socket: &Socket<Self>) -> Self {
            let _ = socket.notify(Event);
            Room
        }

        fn info(&mut self, Event: Event, _: State<App>) {}
    }

    fn start(_: &Handshake) -> Result<(), Refusal> {
        Ok(())
    }

    mod inner {
        use ws_server::prelude::*;

        struct Echo;

        #[ws_handler]
        impl Echo {
            fn init() -> Self {
                Echo
            }
        }

        dispatch! {
            pub(super) struct Inner;

            echo: "/" => Echo;
        }
    }

    dispatch! {
        pub struct Routes;
        state: App;

        room: "/rooms/{id: Id}" => Room { start: start };
        inner: "/inner" => use inner::Inner;
    }

    pub mod shown {
        use ws_server::prelude::*;

        struct Echo;

        #[ws_handler]
        impl Echo {
            fn init() -> Self {
                Echo
            }
        }

        dispatch! {
            pub struct Public;

            echo: "/echo/{_id: u64}" => Echo;
        }
    }

    pub fn run() {
        let app = App { db: Db };
        let Db = Db::from_ref(&app);
        let _ = Routes::table();
        assert_eq!(Routes::room(Id).to_string(), "/rooms/id");
        assert_eq!(Routes::inner(inner::Inner::echo()).to_string(), "/inner");
    }
}

pub(crate) fn main() {
    chat::run();
    let _ = chat::shown::Public::table();
}
