//! Tables, handlers, states, modules, routes, parameters and functions named by keywords.
#![deny(warnings)]
#![allow(non_camel_case_types)]

use ws_server::prelude::*;

#[derive(Clone, FromRef)]
struct r#struct {
    r#type: String,
}

mod r#mod {
    use ws_server::prelude::*;

    pub struct r#impl;

    #[ws_handler]
    impl r#impl {
        fn init() -> Self {
            r#impl
        }
    }

    pub fn r#match(_: &Handshake) -> Result<(), Refusal> {
        Ok(())
    }

    dispatch! {
        pub struct r#enum;

        #[allow(deprecated)]
        r#fn: "/fn/{r#loop}" => r#impl;
    }
}

#[derive(PathParams)]
struct r#in {
    r#type: u8,
    r#async: String,
}

struct r#trait;

#[ws_handler]
impl r#trait {
    fn init(
        Path(r#in { r#type: _, r#async: _ }): Path<r#in>,
        r#ref: State<String>,
        r#static: State<r#struct>,
    ) -> Self {
        let _ = (r#ref.0, r#static.0.r#type);
        r#trait
    }

    fn message(&mut self, r#move: String, r#dyn: &Hub) -> String {
        let _ = r#dyn;
        r#move
    }
}

dispatch! {
    struct r#yield;
    state: r#struct;
    defaults { start: r#mod::r#match }

    r#async: "/async/{type: u8}/{async}" => r#trait;
    r#await: "/await/{*fn}" => r#mod::r#impl { start: r#mod::r#match };
    r#use: "/use" => use r#mod::r#enum;
}

pub(crate) fn main() {
    let _ = r#yield::table();
    assert_eq!(r#yield::r#async(7, "x").to_string(), "/async/7/x");
    assert_eq!(r#yield::r#await("a/b").to_string(), "/await/a/b");
    let inner = r#mod::r#enum::r#fn("y");
    assert_eq!(r#yield::r#use(inner).to_string(), "/use/fn/y");
}
