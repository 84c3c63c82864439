//! Types, arguments and fields whose names are keywords.
#![deny(warnings)]
#![allow(non_camel_case_types)]

use ws_server::prelude::*;

struct r#struct {
    r#type: String,
}

enum r#enum {
    r#fn(String),
}

#[derive(Clone, FromRef)]
struct r#impl {
    r#match: String,
}

#[ws_handler]
impl r#struct {
    fn init(r#in: State<String>) -> Self {
        r#struct { r#type: r#in.0 }
    }

    fn message(&mut self, r#move: String, r#ref: &Socket<Self>) -> String {
        let _ = r#ref.notify(r#enum::r#fn(String::new()));
        self.r#loop(r#move)
    }

    async fn info(&mut self, r#use: r#enum) -> String {
        let r#enum::r#fn(text) = r#use;
        text
    }

    fn r#loop(&self, r#dyn: String) -> String {
        r#dyn + &self.r#type
    }
}

pub(crate) fn main() {
    assert_eq!(
        String::from_ref(&r#impl {
            r#match: "part".to_owned()
        }),
        "part"
    );
    is_handler::<r#struct>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
