//! A public table over private types, under every warning that a library may deny.

#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    unused,
    clippy::pedantic
)]
#![deny(
    single_use_lifetimes,
    missing_copy_implementations,
    trivial_casts,
    unused_qualifications
)]

use ws_server::prelude::*;

#[derive(Clone)]
struct App;

struct Echo;

#[ws_handler]
impl Echo {
    fn init(_: State<App>, Path(_): Path<Id>) -> Self {
        Echo
    }
}

struct Id;

impl std::str::FromStr for Id {
    type Err = std::fmt::Error;

    fn from_str(_: &str) -> Result<Self, Self::Err> {
        Ok(Self)
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("id")
    }
}

dispatch! {
    /// The table.
    #[derive(Clone, Copy)]
    pub struct Routes;
    state: App;

    /// With a line of documentation.
    documented: "/documented/{id: Id}" => Echo;
    plain: "/plain/{id: Id}" => Echo;
}

fn main() {
    drop(Routes::table());
}
