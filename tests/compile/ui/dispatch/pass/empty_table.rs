//! A table without routes.

use ws_server::extract::NoState;
use ws_server::{prelude::*, route::Table};

dispatch! {
    /// Nothing yet.
    pub struct Routes;
}

pub(crate) fn main() {
    let _: Table<NoState> = Routes::table();
}
