//! What came with edition 2024: precise captures, chains of `let`, async closures, `gen` as a
//! word, and temporaries that end earlier.
#![deny(warnings, rust_2024_compatibility)]
#![allow(
    tail_expr_drop_order,
    if_let_rescope,
    edition_2024_expr_fragment_specifier
)]

use std::sync::Mutex;

use ws_server::handler::IntoInit;
use ws_server::prelude::*;
use ws_server::reply::IntoReply;

struct Room {
    last: Mutex<Option<String>>,
    r#gen: u64,
}

#[ws_handler]
impl Room {
    fn init(query: Query<Vec<(String, String)>>) -> impl IntoInit<Self> + use<> {
        let last = query.0.into_iter().next().map(|(_, value)| value);
        Ok::<_, Refusal>(Room {
            last: Mutex::new(last),
            r#gen: 0,
        })
    }

    async fn message(&mut self, text: String, hub: &Hub) -> Result<String, Close> {
        let ask = async |more: &str| {
            let _ = std::future::ready(hub).await;
            format!("{text}{more}")
        };
        let answer = ask("!").await;
        if let Ok(last) = self.last.lock()
            && let Some(last) = &*last
            && !last.is_empty()
        {
            return Ok(last.clone());
        }
        self.r#gen += 1;
        Ok(answer)
    }

    fn info(&mut self, r#gen: u64) -> impl IntoReply + use<> {
        let Room { r#gen: known, .. } = self;
        *known = r#gen;
        known.to_string()
    }

    fn terminate(self) {
        let Some(_) = self.last.lock().ok().and_then(|mut last| last.take()) else {
            return;
        };
    }
}

macro_rules! table {
    ($name:ident, $limit:expr_2021, $route:ident) => {
        dispatch! {
            struct $name;

            #[allow(deprecated)]
            $route: "/gen/{id: u64}/{*async}" => Room { mailbox: 3 };
        }

        const _: usize = const { $limit };
    };
}

table!(Routes, 1 + 2, r#gen);

fn main() {
    let _ = Routes::table();
    assert_eq!(Routes::r#gen(7, "a/b").to_string(), "/gen/7/a/b");
}
