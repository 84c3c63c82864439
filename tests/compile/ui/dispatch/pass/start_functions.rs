//! Every form of a `start` function, and every way to name one.

use ws_server::{prelude::*, route::Table};

struct V2;

#[ws_handler]
impl V2 {
    fn init() -> Self {
        V2
    }
}

struct V1;

#[ws_handler]
impl V1 {
    fn init(Path(id): Path<u64>, State(name): State<&'static str>) -> Self {
        let _ = (id, name);
        V1
    }
}

/// Refuses with an error of its own.
struct Unknown;

impl From<Unknown> for Refusal {
    fn from(_: Unknown) -> Self {
        Refusal::BAD_REQUEST
    }
}

fn check(handshake: &Handshake) -> Result<(), Unknown> {
    handshake.protocol().map(|_| ()).ok_or(Unknown)
}

mod choose {
    use super::*;

    pub fn by_version<R>(handshake: &Handshake) -> Start<R>
    where
        V1: Handler<R>,
    {
        match handshake.protocol() {
            Some("v1") => Start::with::<V1>(),
            _ => Start::keep(),
        }
    }

    pub fn with_question_mark<R>(handshake: &Handshake) -> Result<Start<R>, Refusal>
    where
        V1: Handler<R>,
    {
        check(handshake)?;
        Ok(by_version(handshake))
    }

    pub fn any<Other: Handler<R>, R>(_: &Handshake) -> Start<R> {
        Start::with::<Other>()
    }

    pub struct Policy;

    impl Policy {
        pub fn check(_: &Handshake) -> Result<(), std::convert::Infallible> {
            Ok(())
        }
    }
}

use choose::by_version;

/// A name that the expansion uses nearby.
fn handshake(_: &Handshake) -> Result<(), Refusal> {
    Err(Refusal::FORBIDDEN)
}

fn r#match<R>(_: &Handshake) -> Start<R> {
    Start::refuse(Refusal::GONE)
}

dispatch! {
    struct Routes;
    state: &'static str;
    defaults { start: check }

    plain: "/plain" => V2;
    generic: "/generic/{id: u64}" => V2 { start: by_version, protocols: ["v1"] };
    deep: "/deep/{id: u64}" => V2 { start: crate::choose::with_question_mark };
    given: "/given/{id: u64}" => V2 { start: choose::any::<V1, _> };
    of_type: "/type" => V2 { start: choose::Policy::check, ping: 20s };
    names: "/names" => V2 { start: handshake };
    raw: "/raw" => V2 { start: r#match };
}

/// A table, and its function, inside a function.
mod inside {
    use super::*;

    pub fn table() -> Table<ws_server::extract::NoState> {
        fn local(_: &Handshake) -> Result<(), Refusal> {
            Ok(())
        }
        dispatch! {
            struct Inner;

            inner: "/inner" => V2 { start: local };
            outer: "/outer" => V2 { start: super::check };
            root: "/root" => V2 { start: self::super::check };
        }
        Inner::table()
    }
}

mod live {
    pub use ws_server::*;
}

dispatch! {
    struct Renamed;
    crate: crate::live;

    renamed: "/renamed" => V2 { start: check };
}

/// A table of another macro, which is given the function.
macro_rules! table {
    ($name:ident, $start:path, $word:ident) => {
        dispatch! {
            struct $name;

            path: "/path" => V2 { start: $start };
            word: "/word" => V2 { start: $word, require_session: false };
        }
    };
}

table!(Made, choose::Policy::check, check);

fn main() {
    let _ = (
        Routes::table(),
        inside::table(),
        Renamed::table(),
        Made::table(),
    );
}
