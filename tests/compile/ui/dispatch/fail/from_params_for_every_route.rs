//! Parameters for every route: the library has an implementation for its check of handlers.

use ws_server::extract::{FromParams, Params};
use ws_server::prelude::*;

struct Place;

impl<R> FromParams<R> for Place {
    fn from_params(_: &Params) -> Result<Self, Refusal> {
        Ok(Place)
    }
}

fn main() {}
