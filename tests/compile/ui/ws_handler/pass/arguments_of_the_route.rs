//! Arguments of the application that ask the route for its parameters, state, session or page.
#![deny(warnings)]

use ws_server::extract::{
    Context, FromConnection, FromHandshake, FromParams, HasPage, HasSession, NamesParams, Opening,
    Params, Provides,
};
use ws_server::prelude::*;

/// The number in the path.
struct Number(u64);

impl<'a, H, R> FromHandshake<'a, H, R> for Number
where
    u64: FromParams<R>,
{
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        <u64 as FromParams<R>>::from_params(opening.handshake().params()).map(Self)
    }
}

/// Two of them.
struct Two(u64);

impl<'a, H, R> FromHandshake<'a, H, R> for Two
where
    (u64, String): FromParams<R>,
{
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        let (number, _) = <(u64, String)>::from_params(opening.handshake().params())?;
        Ok(Self(number))
    }
}

/// By name, through an extractor of the library.
#[derive(PathParams)]
struct Seat {
    id: u64,
}

struct Taken(u64);

impl<'a, H, R> FromHandshake<'a, H, R> for Taken
where
    Path<Seat>: FromHandshake<'a, H, R>,
    R: Sync + 'a,
{
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        let found = <Seat as Read>::read(opening.handshake().params());
        found.map(|seat| Self(seat.id))
    }
}

trait Read: Sized {
    fn read(params: &Params) -> Result<Self, Refusal>;
}

impl Read for Seat {
    fn read(params: &Params) -> Result<Self, Refusal> {
        params.parse_named("id").map(|id| Self { id })
    }
}

/// An implementation for all routes of tables, without the derive.
struct All(usize);

impl<R: NamesParams<Self>> FromParams<R> for All {
    fn from_params(params: &Params) -> Result<Self, Refusal> {
        Ok(Self(params.iter().count()))
    }
}

/// A part of the state.
struct Db(String);

impl<'a, H, R: Provides<String>> FromConnection<'a, H, R> for Db {
    fn from_connection(context: &'a Context<H>) -> Self {
        Self(R::provide(context.state()))
    }
}

/// That there is a session.
struct LoggedOn;

impl<'a, H, R: HasSession + HasPage> FromConnection<'a, H, R> for LoggedOn {
    fn from_connection(_: &'a Context<H>) -> Self {
        Self
    }
}

struct Room(u64);

#[ws_handler]
impl Room {
    fn init(Number(id): Number, Path(All(count)): Path<All>) -> Self {
        assert_eq!(count, 1);
        Room(id)
    }

    fn message(&mut self, _: String, Db(name): Db, _: LoggedOn) -> String {
        format!("{name}{}", self.0)
    }

    fn terminate(self, Db(name): Db, _: LoggedOn, _: CloseReason) {
        let _ = name;
    }
}

struct Other;

#[ws_handler]
impl Other {
    fn init(Two(number): Two) -> Self {
        let _ = number;
        Other
    }
}

struct Named;

#[ws_handler]
impl Named {
    fn init(Taken(id): Taken) -> Self {
        let _ = id;
        Named
    }
}

dispatch! {
    struct Routes;
    state: String;

    room: "/rooms/{id: u64}" => Room;
    other: "/{id: u64}/{name}" => Other;
    named: "/named/{id: u64}" => Named;
}

pub(crate) fn main() {
    let _ = Routes::table();
}
