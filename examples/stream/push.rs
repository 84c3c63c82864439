//! `POST /push/…`: pushes from HTTP handlers, to one page or to many.

use serde::{Deserialize, Serialize};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};
use ws_server::prelude::*;

use crate::form;

/// As many characters may be pushed.
const LONGEST: usize = 100;

/// To whom: the last segment of the path.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum To {
    Page,
    Session,
    User,
    Everyone,
}

impl std::str::FromStr for To {
    type Err = ();

    fn from_str(segment: &str) -> Result<Self, ()> {
        match segment {
            "page" => Ok(Self::Page),
            "session" => Ok(Self::Session),
            "user" => Ok(Self::User),
            "everyone" => Ok(Self::Everyone),
            _ => Err(()),
        }
    }
}

/// The form: what to push, and the page that asks for it.
#[derive(Deserialize)]
struct Order {
    page: String,
    text: String,
}

/// The event `receipt`.
#[derive(Serialize)]
struct Receipt {
    to: To,
    text: String,
}

/// The answer to the form: how many pages take the push.
#[derive(Serialize)]
struct Reached {
    reached: usize,
}

/// Pushes, where the page that asks was issued to the visitor who asks.
fn push(to: To, order: Order, visit: Option<&Visit>, hub: &Hub) -> Result<Reached, Refusal> {
    let session = visit.map(Visit::session);
    let session = session.ok_or_else(|| Refusal::FORBIDDEN.body("your visit has ended"))?;
    let page = hub.find_page(session, &order.page);
    let page = page.ok_or_else(|| Refusal::FORBIDDEN.body("this page is not yours"))?;
    if order.text.chars().count() > LONGEST {
        return Err(Refusal::BAD_REQUEST.body("this is too long"));
    }
    let text = order.text;
    let receipt = Receipt { to, text };
    let reached = match to {
        To::Page => page.push("receipt", &receipt),
        To::Session => session.push("receipt", &receipt),
        To::User => {
            let user = session.user();
            let user = user.ok_or_else(|| Refusal::FORBIDDEN.body("log on first"))?;
            hub.user(user).push("receipt", &receipt)
        }
        // Here everybody may do so: this is a demonstration.
        To::Everyone => hub.broadcast("receipt", &receipt),
    };
    Ok(Reached { reached })
}

/// The routes.
pub fn routes(ws: &Ws) -> BoxedFilter<(Response,)> {
    let hub = ws.hub();
    warp::path!("push" / To)
        .and(form())
        // A POST from a page of another site gets no further than this.
        .and(ws.current_visit())
        .map(move |to, order: Order, visit: Option<Visit>| {
            let pushed = push(to, order, visit.as_ref(), &hub);
            match pushed {
                Ok(reached) => warp::reply::json(&reached).into_response(),
                Err(refusal) => Reply::into_response(refusal.into_response()),
            }
        })
        .boxed()
}
