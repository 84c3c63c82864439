//! Named, tuple and generic structs, skipped fields, and fields of odd types.
#![deny(warnings)]

use std::sync::Arc;

use ws_server::prelude::*;

#[derive(Clone, Debug, PartialEq)]
struct Private(u8);

/// The derive needs no `Clone` of the whole.
#[derive(FromRef)]
pub struct App {
    private: Private,
    pub name: &'static str,
    #[from_ref(skip)]
    pub other_name: &'static str,
    pair: (u8, String),
    call: fn(u8) -> u8,
}

#[derive(Clone, FromRef)]
struct Tuple(u16, #[from_ref(skip)] u16, Vec<u16>);

#[derive(Clone, FromRef)]
struct Generic<S: Send, const N: usize>
where
    S: Sync,
{
    shared: Arc<S>,
    array: [u8; N],
}

mod shadowed {
    #![no_implicit_prelude]

    #[allow(dead_code)]
    trait Clone {}

    #[derive(::ws_server::prelude::FromRef)]
    pub struct App {
        pub number: i64,
    }
}

pub(crate) fn main() {
    let app = App {
        private: Private(1),
        name: "name",
        other_name: "other",
        pair: (2, "two".to_owned()),
        call: |number| number + 1,
    };
    assert_eq!(Private::from_ref(&app), Private(1));
    assert_eq!(<&str>::from_ref(&app), "name");
    assert_eq!(app.other_name, "other");
    assert_eq!(<(u8, String)>::from_ref(&app), (2, "two".to_owned()));
    assert_eq!(<fn(u8) -> u8>::from_ref(&app)(1), 2);

    let tuple = Tuple(1, 2, vec![3]);
    assert_eq!(
        (u16::from_ref(&tuple), Vec::from_ref(&tuple), tuple.1),
        (1, vec![3], 2)
    );

    let generic = Generic {
        shared: Arc::new("x"),
        array: [7; 2],
    };
    assert_eq!(*<Arc<&str>>::from_ref(&generic), "x");
    assert_eq!(<[u8; 2]>::from_ref(&generic), [7, 7]);

    assert_eq!(i64::from_ref(&shadowed::App { number: 5 }), 5);
}
