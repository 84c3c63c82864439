//! Handlers, states and tables under every lint that a careful crate forbids.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unused,
    unreachable_pub,
    unused_qualifications,
    unused_lifetimes,
    unused_results
)]
#![deny(
    rust_2018_idioms,
    rust_2024_compatibility,
    future_incompatible,
    nonstandard_style,
    keyword_idents,
    let_underscore,
    refining_impl_trait
)]
#![deny(
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    missing_debug_implementations,
    missing_copy_implementations,
    explicit_outlives_requirements,
    non_ascii_idents,
    redundant_lifetimes,
    variant_size_differences,
    meta_variable_misuse,
    unit_bindings,
    ambiguous_negative_literals,
    macro_use_extern_crate,
    unused_import_braces,
    unused_extern_crates,
    absolute_paths_not_starting_with_crate
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]

/// What a library has that is built on this one.
pub mod library {
    use std::fmt;
    use std::str::FromStr;

    use ws_server::prelude::*;

    /// A state.
    #[derive(Clone, Debug, FromRef)]
    pub struct App {
        /// A part.
        pub name: String,
    }

    /// A parameter's type.
    #[derive(Clone, Copy, Debug)]
    pub struct Id(u8);

    impl FromStr for Id {
        type Err = std::num::ParseIntError;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            text.parse().map(Self)
        }
    }

    impl fmt::Display for Id {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    /// The parameters of a route.
    #[derive(Debug, PathParams)]
    pub struct Place {
        /// Which one.
        pub id: Id,
        /// Its name.
        pub name: String,
    }

    /// A handler.
    #[derive(Debug)]
    pub struct Room {
        place: Place,
    }

    #[ws_handler]
    impl Room {
        fn init(Path(place): Path<Place>, _: State<App>, _: State<String>) -> Self {
            Self { place }
        }

        async fn message(&mut self, text: String, _: &Hub) -> Option<String> {
            std::future::ready(()).await;
            (text == self.place.name).then(|| self.place.id.to_string())
        }

        fn info(&mut self, number: u8) {
            self.place.id = Id(number);
        }

        fn terminate(self, _: CloseReason) {}
    }

    /// A handler that any route has.
    #[derive(Clone, Copy, Debug)]
    pub struct Echo;

    #[ws_handler]
    impl Echo {
        fn init() -> Self {
            Self
        }

        fn message(&mut self, text: String) -> String {
            text
        }
    }

    /// Refuses nobody.
    ///
    /// # Errors
    ///
    /// None.
    pub const fn start(_: &Handshake) -> Result<(), Refusal> {
        Ok(())
    }

    dispatch! {
        /// The table below the other one.
        #[derive(Clone, Copy, Debug)]
        pub struct Inner;

        echo: "/" => Echo;
        rest: "/{*_rest}" => Echo;
    }

    dispatch! {
        /// The table.
        #[derive(Clone, Copy, Debug)]
        pub struct Routes;
        state: App;
        defaults { ping: 20s, start: start }

        /// With a line of documentation.
        room: "/rooms/{id: Id}/{name}" => Room { mailbox: 8 };
        page: "/page" => Echo { start: start };
        inner: "/inner" => use Inner;
    }
}

use library::{App, Inner, Routes};
use ws_server::prelude::*;

fn main() {
    let app = App {
        name: String::new(),
    };
    assert!(<String as FromRef<App>>::from_ref(&app).is_empty());
    drop::<ws_server::route::Table<App>>(Routes::table());
    assert_eq!(Routes::inner(Inner::rest("a/b")).to_string(), "/inner/a/b");
}
