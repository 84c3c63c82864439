//! Types of the application that are named as those of the library, with lifetimes in them: what
//! the library's types cannot hold, these may.
#![deny(warnings)]

use ws_server::decode::{DecodeError, FromMessage, Payload};
use ws_server::extract::{AnyRoute, FromHandshake, Opening};
use ws_server::prelude::{Handler, Refusal, dispatch, ws_handler};
use ws_server::reply::{IntoReply, Reply};

mod own {
    use super::*;

    /// What is in the request, without a copy.
    pub struct Query<T>(pub T);

    impl<'a, H, R> FromHandshake<'a, H, R> for Query<&'a str> {
        async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
            Ok(Self(opening.handshake().path()))
        }
    }

    /// Copies what it lends.
    pub struct Vec<T>(pub T);

    impl IntoReply for Vec<&str> {
        type Value = Self;

        fn into_reply(self) -> Reply {
            self.0.to_owned().into_reply()
        }
    }

    pub struct Option<'a>(pub &'a str);

    impl IntoReply for Option<'_> {
        type Value = Self;

        fn into_reply(self) -> Reply {
            self.0.to_owned().into_reply()
        }
    }

    /// Borrows nothing of the message.
    pub struct Json<T>(pub T);

    impl FromMessage for Json<&str> {
        fn from_message(_: Payload<'_>) -> Result<Self, DecodeError> {
            Ok(Self("text"))
        }
    }
}

use own::{Query, Vec};

struct Room {
    path: String,
}

#[ws_handler]
impl Room {
    async fn init(Query(path): Query<&str>) -> Self {
        std::future::ready(()).await;
        Room {
            path: path.to_owned(),
        }
    }

    fn message(&mut self, own::Json(text): own::Json<&str>) -> Vec<&str> {
        self.path.push_str(text);
        Vec(&self.path)
    }

    async fn info(&mut self, number: u8) -> own::Option<'_> {
        std::future::ready(number).await;
        own::Option(&self.path)
    }
}

/// The handler borrows what lasts.
struct Lasting<'a>(&'a str);

#[ws_handler]
impl Lasting<'_> {
    fn init() -> Self {
        Lasting("text")
    }

    async fn message(&mut self, _: String) -> String {
        std::future::ready(self.0.to_owned()).await
    }
}

struct OfReference<T>(T);

#[ws_handler]
impl OfReference<&u8> {
    fn init() -> Self {
        OfReference(&7)
    }

    async fn message(&mut self, _: String) -> String {
        std::future::ready(self.0.to_string()).await
    }
}

dispatch! {
    struct Routes;

    room: "/room" => Room;
    lasting: "/lasting" => Lasting<'static>;
    reference: "/reference" => OfReference<&'static u8>;
}

const fn is_handler<H: Handler<AnyRoute>>() {}

pub(crate) fn main() {
    is_handler::<Room>();
    let _ = Routes::table();
}
