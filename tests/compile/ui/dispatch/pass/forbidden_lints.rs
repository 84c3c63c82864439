//! Under `forbid` of lints that what the macros write could meet: nothing in it allows any, which
//! would be an error under `forbid`.
#![forbid(unsafe_code, missing_docs, deprecated)]
#![forbid(
    dead_code,
    unused_imports,
    unused_variables,
    unused_mut,
    unused_must_use
)]
#![forbid(unused_parens, unused_braces, unused_attributes, path_statements)]
#![forbid(
    unused_qualifications,
    unused_lifetimes,
    unused_results,
    unused_import_braces
)]
#![forbid(
    unused_extern_crates,
    redundant_imports,
    redundant_lifetimes,
    unit_bindings
)]
#![forbid(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    non_ascii_idents
)]
#![forbid(
    unreachable_code,
    unreachable_pub,
    unnameable_types,
    non_local_definitions
)]
#![forbid(private_bounds, private_interfaces, trivial_bounds, trivial_casts)]
#![forbid(
    single_use_lifetimes,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements
)]
#![forbid(missing_debug_implementations, missing_copy_implementations)]
#![forbid(
    let_underscore_drop,
    variant_size_differences,
    if_let_rescope,
    tail_expr_drop_order
)]
#![forbid(meta_variable_misuse, macro_use_extern_crate, keyword_idents_2024)]
#![forbid(absolute_paths_not_starting_with_crate)]
#![forbid(unexpected_cfgs, long_running_const_eval, clippy::needless_update)]
#![forbid(
    clippy::unused_self,
    clippy::unused_async,
    clippy::needless_pass_by_value
)]
#![forbid(clippy::missing_const_for_fn, clippy::needless_pass_by_ref_mut)]

use ws_server::prelude::*;

/// A handler with hooks of every kind.
#[derive(Debug, Clone, Copy)]
pub struct Room(u64);

#[ws_handler]
impl Room {
    fn init(
        Path(id): Path<u64>,
        _: &Hub,
        Query(_): Query<Vec<(String, String)>>,
    ) -> Result<Self, impl Into<Refusal>> {
        Ok::<_, Refusal>(Room(id))
    }

    async fn message(&mut self, text: String, _: &Socket<Self>) -> String {
        std::future::ready(()).await;
        text
    }

    fn info(&mut self, number: u8, _: &Hub) -> String {
        (u64::from(number) + self.0).to_string()
    }

    fn terminate(self, _: CloseReason) {}
}

/// A state.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    /// A part.
    pub name: String,
}

/// Parameters.
#[derive(Debug, Clone, Copy, PathParams)]
pub struct Place {
    /// One.
    pub id: u64,
}

/// A handler with async hooks.
#[derive(Debug, Clone, Copy)]
pub struct Other(u64);

#[ws_handler]
impl Other {
    async fn init(Path(Place { id }): Path<Place>, State(_): State<String>) -> Self {
        std::future::ready(()).await;
        Other(id)
    }

    async fn info(&mut self, number: u64) -> String {
        std::future::ready(()).await;
        (self.0 + number).to_string()
    }

    async fn terminate(&mut self, _: &Hub) {
        std::future::ready(()).await;
    }
}

/// A handler that nothing is known of but that it is there.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

#[ws_handler]
impl Plain {
    async fn init() -> Self {
        Plain
    }

    fn message(&mut self, text: String) -> String {
        text.to_lowercase()
    }

    async fn info(&mut self, _: String) {}

    fn terminate(&mut self) {}
}

dispatch! {
    /// The table.
    #[derive(Debug, Clone, Copy)]
    pub struct Routes;
    state: App;
    defaults { ping: 20s }

    /// One kind of route.
    room: "/rooms/{id: u64}" => Room { idle: 1m };
    /// Another one.
    other: "/other/{id: u64}" => Other { max_message: 8 KiB };
    /// The same again.
    more: "/more/{id: u64}" => Other;
    /// Another table.
    inner: "/inner" => use inner::Inner;
    /// No kind of its own.
    plain: "/plain" => Plain { require_session: false };
}

/// A table with every kind of segment.
mod inner {
    use super::Plain;

    ws_server::dispatch! {
        /// The table.
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct Inner;

        /// By number, text and rest.
        all: "/{_id: u64}/{_name}/{*_rest}" => Plain;
        /// Text alone.
        text: "/{_name}" => Plain;
        /// The rest.
        rest: "/{*_rest}" => Plain;
    }
}

fn main() {
    drop(Routes::table());
}
