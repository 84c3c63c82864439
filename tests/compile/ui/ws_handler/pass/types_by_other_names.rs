//! Types of the library under other names, and types of the application under the library's names.
#![deny(warnings)]

use ws_server::CloseReason as Why;
use ws_server::decode::{DecodeError, FromMessage, Payload};
use ws_server::extract::{Context, FromConnection, FromHandshake, Opening, Path as P};
use ws_server::prelude::{Close, Handler, Hub, Refusal, Socket, dispatch, ws_handler};
use ws_server::reply::{IntoReply, Reply};

type Id = ws_server::extract::Path<u64>;
type Name = P<String>;
type Ended = ws_server::close::CloseReason;
type Handle<'a> = &'a Socket<Aliased>;

struct Aliased;
type Me = Aliased;
type Lent<'a> = &'a mut Aliased;

#[ws_handler]
impl Aliased {
    fn init(P(_id): Id, _: Handle<'_>) -> Result<Me, Refusal> {
        Ok(Aliased)
    }

    fn message(self: &mut Aliased, text: std::string::String, _: Handle<'_>) -> String {
        text
    }

    fn info(self: Lent<'_>, _: u8) {}

    fn terminate(self: Me, _: Ended) {}
}

struct Named;

#[ws_handler]
impl Named {
    fn init(_: Name) -> Named {
        Named
    }

    async fn message(self: &mut Self, text: String) -> String {
        text
    }

    fn info(self: &Named, _: u8) {}

    async fn terminate(self: &mut Named, first: Why, second: Ended) {
        let _ = (first.code, second.code);
    }
}

struct Consumed;

#[ws_handler]
impl Consumed {
    fn init() -> Self {
        Consumed
    }

    async fn terminate(self: Consumed, _: &Hub, _: Why) {}
}

/// Arguments, payloads and replies of the application, named as the library's.
macro_rules! arguments {
    ($($name:ident)*) => {
        $(
            pub struct $name;

            impl<'a, H, R> FromHandshake<'a, H, R> for $name {
                async fn from_handshake(_: &'a Opening<H>) -> Result<Self, Refusal> {
                    Ok($name)
                }
            }

            impl<'a, H, R> FromConnection<'a, H, R> for $name {
                fn from_connection(_: &'a Context<H>) -> Self {
                    $name
                }
            }

            impl FromMessage for $name {
                fn from_message(_: Payload<'_>) -> Result<Self, DecodeError> {
                    Ok($name)
                }
            }

            impl IntoReply for $name {
                type Value = Self;

                fn into_reply(self) -> Reply {
                    Reply::NONE
                }
            }
        )*
    };
}

mod own {
    use super::*;

    arguments!(Session Page Bearer Message CloseReason Bytes Json Pin State Query);
}

/// `init` may read the parameters through an argument of this name: the table warns of nothing.
struct OfSession;

#[ws_handler]
impl OfSession {
    fn init(_: own::Session) -> Self {
        OfSession
    }

    fn message(&mut self, _: own::Session, _: own::Message, _: own::Bearer) -> own::Pin {
        own::Pin
    }

    fn info(&mut self, _: own::State, _: own::Json, _: own::CloseReason) -> own::Page {
        own::Page
    }

    fn terminate(self, _: own::CloseReason, _: own::Bytes, _: Why) {}
}

struct OfReason;

#[ws_handler]
impl OfReason {
    fn init(_: own::Query, _: own::CloseReason) -> Self {
        OfReason
    }

    fn message(&mut self, _: own::CloseReason) -> Result<own::Session, Close> {
        Ok(own::Session)
    }

    fn info(&mut self, _: own::CloseReason) {}
}

dispatch! {
    struct Routes;

    aliased: "/aliased/{id: u64}" => Aliased;
    named: "/named/{name}" => Named;
    session: "/session/{id: u64}" => OfSession;
}

const fn is_handler<H: Handler<ws_server::extract::AnyRoute>>() {}

pub(crate) fn main() {
    is_handler::<Consumed>();
    is_handler::<OfReason>();
    is_handler::<Aliased>();
    let _ = Routes::table();
}
