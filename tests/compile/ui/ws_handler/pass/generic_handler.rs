//! A handler with type and constant parameters, bounds and a where clause.
#![deny(warnings)]

use std::fmt::Display;
use std::sync::Arc;

use ws_server::prelude::*;

trait Store: Sync {
    fn name(&self) -> String;
}

struct Memory;

impl Store for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }
}

struct Room<S, T: Display, const LIMIT: usize>
where
    S: Store,
{
    store: Arc<S>,
    last: Option<T>,
}

#[ws_handler]
impl<S, T: Display, const LIMIT: usize> Room<S, T, LIMIT>
where
    S: Store + Send + Sync,
    T: Clone + Send + 'static,
{
    async fn init(State(store): State<Arc<S>>) -> Self {
        Self { store, last: None }
    }

    fn message(&mut self, text: String, state: State<Arc<S>>) -> Option<String> {
        (text.len() < LIMIT).then(|| self.store.name() + &state.name())
    }

    async fn info(&mut self, value: T) -> String {
        let text = value.to_string();
        self.last = Some(value);
        std::future::ready(text).await
    }

    fn terminate(&mut self) {
        self.last = None;
    }
}

pub(crate) fn main() {
    is_handler::<Room<Memory, u8, 16>>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
