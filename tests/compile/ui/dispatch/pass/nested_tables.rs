//! A table in a table in a table, each with its part of the state.

use ws_server::limits::LimitOptions;
use ws_server::prelude::*;
use ws_core::route::Lookup;

#[derive(Clone)]
struct App {
    users: users::Users,
}

impl FromRef<App> for users::Users {
    fn from_ref(app: &App) -> Self {
        app.users.clone()
    }
}

dispatch! {
    struct Routes;
    state: App;

    users: "/api/users" => use users::Routes;
}

mod users {
    use ws_server::prelude::*;

    #[derive(Clone)]
    pub struct Users;

    struct Feed;

    #[ws_handler]
    impl Feed {
        fn init(_: State<Users>) -> Self {
            Feed
        }
    }

    dispatch! {
        pub struct Routes;
        state: Users;

        feed: "/{_name}/feed" => Feed;
        misc: "/" => use misc::Routes;
    }

    mod misc {
        use ws_server::prelude::*;

        struct Echo;

        #[ws_handler]
        impl Echo {
            fn init() -> Self {
                Echo
            }
        }

        dispatch! {
            pub struct Routes;

            echo: "/echo" => Echo;
        }
    }

    pub fn echo() -> ws_server::route::RouteUrl {
        Routes::misc(misc::Routes::echo())
    }
}

pub(crate) fn main() {
    let hub = Hub::default();
    let app = App {
        users: users::Users,
    };
    let router = Routes::table()
        .into_router(app, &hub, &LimitOptions::NONE)
        .unwrap();
    let url = Routes::users(users::Routes::feed("ada"));
    assert_eq!(url.to_string(), "/api/users/ada/feed");
    assert!(matches!(router.find(url.as_str()), Lookup::Found(..)));
    assert_eq!(Routes::users(users::echo()).to_string(), "/api/users/echo");
}
