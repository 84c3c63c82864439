//! A table, its state and its handler inside a function.

use ws_server::prelude::*;

pub(crate) fn main() {
    #[derive(Clone)]
    struct App;

    struct Echo;

    #[ws_handler]
    impl Echo {
        fn init(_: State<App>) -> Self {
            Echo
        }
    }

    dispatch! {
        struct Routes;
        state: App;

        echo: "/echo/{_name}" => Echo;
    }

    assert_eq!(Routes::echo("x").to_string(), "/echo/x");
    let _ = Routes::table();
}
