//! Cookies are set by the response of a visit: what is made and not returned sets none.

#![deny(unused_must_use)]

use ws_server::prelude::*;

fn same(visit: Visit) -> Visit {
    visit
}

fn no_response(visit: Visit) {
    same(visit);
}

fn forgotten_reply(visit: Visit) -> &'static str {
    visit.reply("welcome");
    "welcome"
}

fn forgotten_refusal(visit: Visit) {
    visit.refuse(Refusal::FORBIDDEN);
}

fn forgotten_rejection() {
    ws_server::reject(Refusal::FORBIDDEN);
}

fn forgotten_filter(ws: &Ws) {
    ws.page();
}

fn main() {
    let _ = (no_response, forgotten_reply, forgotten_refusal, forgotten_rejection, forgotten_filter);
}
