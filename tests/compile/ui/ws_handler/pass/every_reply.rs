//! Every type that `message` and `info` may return, and every return type of `init`.
#![deny(warnings)]

use std::borrow::Cow;

use bytestring::ByteString;
use serde::Serialize;
use ws_server::handler::Handler;
use ws_server::prelude::*;
use ws_server::reply::IntoReply;

#[derive(Serialize)]
struct Event {
    by: String,
}

/// An error of the application that knows how it closes.
struct Failed;

impl From<Failed> for Close {
    fn from(_: Failed) -> Self {
        Close::internal()
    }
}

impl From<Failed> for Refusal {
    fn from(_: Failed) -> Self {
        Refusal::INTERNAL_SERVER_ERROR
    }
}

type Fallible<T> = Result<T, Failed>;

macro_rules! handlers {
    ($($module:ident: $init:ty, $made:expr; $reply:ty, $value:expr;)*) => {
        $(mod $module {
            #[allow(unused_imports)]
            use super::*;

            pub struct It;

            #[ws_handler]
            impl It {
                fn init() -> $init {
                    $made
                }

                fn message(&mut self, _message: Message) -> $reply {
                    $value
                }

                async fn info(&mut self, _value: u8) -> $reply {
                    $value
                }
            }
        })*

        pub(crate) fn main() {
            $(is_handler::<$module::It>();)*
        }
    };
}

handlers! {
    nothing: It, It; (), ();
    string: Self, It; String, String::new();
    fixed: Self, It; &'static str, "";
    cow: Self, It; Cow<'static, str>, Cow::Borrowed("");
    byte_string: Self, It; ByteString, ByteString::new();
    bytes: Self, It; Bytes, Bytes::new();
    message: Self, It; Message, Message::text("");
    json: Self, It; Json<Event>, Json(Event { by: String::new() });
    option: Self, It; Option<String>, None;
    vec: Self, It; Vec<Json<u8>>, vec![Json(1), Json(2)];
    close: Self, It; Close, Close::NORMAL;
    reply_and_close: Self, It; (String, Close), (String::new(), Close::NORMAL);
    result: Result<Self, Refusal>, Ok(It); Result<String, Close>, Err(Close::NORMAL);
    own_error: Result<Self, Failed>, Err(Failed); Result<(), Failed>, Err(Failed);
    alias: Fallible<It>, Ok(It); Fallible<Option<Vec<String>>>, Ok(None);
    question_mark: Result<Self, Refusal>, { Err("x").or_refuse()?; Ok(It) };
        Result<(), Close>, { Err("x").or_close()?; Ok(()) };
    some_trait: impl ws_server::handler::IntoInit<It>, It; impl IntoReply, Some(Json(7));
}

fn is_handler<H: Handler<ws_server::extract::AnyRoute>>() {}
