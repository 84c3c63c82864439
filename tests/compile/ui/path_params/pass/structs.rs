//! Structs that take parameters by name: all of them or some, raw names, generics.

use std::str::FromStr;

use ws_core::extract::{FromParams, HasParam, NamesParams, Params};
use ws_server::prelude::*;

#[derive(PathParams)]
struct Place {
    name: String,
    id: u64,
}

#[derive(PathParams)]
struct Kind {
    r#type: u8,
}

#[derive(PathParams)]
struct Of<T = u64>
where
    T: Send,
{
    id: T,
}

struct Room;

#[ws_handler]
impl Room {
    fn init(
        Path(Place { name: _, id: _ }): Path<Place>,
        Path(Kind { r#type: _ }): Path<Kind>,
        Path(Of { id: _ }): Path<Of<u64>>,
    ) -> Self {
        Room
    }
}

dispatch! {
    struct Routes;

    room: "/rooms/{id: u64}/{name}/{type: u8}" => Room;
}

fn read<T: FromParams<R>, R>(_: fn() -> R, values: &[(&'static str, &str)]) -> Result<T, Refusal> {
    let values = values
        .iter()
        .map(|(name, value)| (*name, String::from_str(value).unwrap()));
    T::from_params(&Params::new(values.collect()))
}

pub(crate) fn main() {
    struct Any;
    impl<N, T> HasParam<N, T> for Any {}
    impl<T> NamesParams<T> for Any {}
    let any = || -> Any { unreachable!() };
    let place: Place = read(any, &[("id", "7"), ("name", "ada")]).unwrap();
    assert_eq!((&*place.name, place.id), ("ada", 7));
    let kind: Kind = read(any, &[("type", "3")]).unwrap();
    assert_eq!(kind.r#type, 3);
    let missing: Result<Of<u64>, _> = read(any, &[("number", "7")]);
    assert_eq!(missing.err(), Some(Refusal::NOT_FOUND));
    let _ = Routes::table();
}
