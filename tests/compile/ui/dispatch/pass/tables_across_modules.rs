//! Tables of every visibility in nested modules, used by their parents, their siblings and
//! under other names.
#![deny(warnings)]

use ws_server::prelude::*;

mod api {
    pub mod v1 {
        use ws_server::prelude::*;

        pub(in crate::api) struct Echo;

        #[ws_handler]
        impl Echo {
            fn init() -> Self {
                Echo
            }
        }

        dispatch! {
            pub(in crate::api) struct Routes;

            echo: "/echo/{_name}" => Echo;
            side: "/side" => use super::v2::Routes;
        }
    }

    pub mod v2 {
        use ws_server::prelude::*;

        dispatch! {
            pub(super) struct Routes;

            echo: "/echo/{_id: u8}" => super::v1::Echo;
            inside: "/inside" => use self::inside::Routes;
        }

        pub(super) mod inside {
            use super::super::v1::Echo;
            use ws_server::prelude::*;

            dispatch! {
                pub(crate) struct Routes;

                echo: "/{*_rest}" => Echo;
            }
        }
    }

    use ws_server::prelude::*;

    dispatch! {
        pub(crate) struct Routes;

        v1: "/v1" => use v1::Routes;
        v2: "/v2" => use crate::api::v2::Routes;
    }

    pub fn urls() -> [ws_server::route::RouteUrl; 3] {
        let side = v2::Routes::inside(v2::inside::Routes::echo("a/b"));
        [
            Routes::v1(v1::Routes::echo("x")),
            Routes::v2(v2::Routes::echo(7)),
            Routes::v1(v1::Routes::side(side)),
        ]
    }

    pub(crate) use Routes as Tables;
}

use api::Tables;

type Alias = api::Routes;

dispatch! {
    struct Routes;

    api: "/api" => use Tables;
    alias: "/alias" => use Alias;
    crate_path: "/crate" => use crate::api::Routes;
}

fn main() {
    let _ = Routes::table();
    let urls = api::urls().map(|url| Routes::api(url).to_string());
    let expected = [
        "/api/v1/echo/x",
        "/api/v2/echo/7",
        "/api/v1/side/inside/a/b",
    ];
    assert_eq!(urls, expected);
    let [url, ..] = api::urls();
    assert_eq!(Routes::alias(url).to_string(), "/alias/v1/echo/x");
    let [url, ..] = api::urls();
    assert_eq!(Routes::crate_path(url).to_string(), "/crate/v1/echo/x");
}
