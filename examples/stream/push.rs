//! `POST /push/…`: pushes from HTTP handlers, to one page or to many.

use serde::{Deserialize, Serialize};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};
use ws_server::prelude::*;

use crate::form;

/// The longest text to push, in characters.
const MAX_LENGTH: usize = 100;

/// The receivers of a push: the last segment of the path.
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

/// The form: the text to push, and the id of the page that sends the form.
#[derive(Deserialize)]
struct PushForm {
    page: String,
    text: String,
}

/// The payload of the event `receipt`.
#[derive(Serialize)]
struct Receipt {
    to: To,
    text: String,
}

/// The response to the form: the number of pages that accepted the push.
#[derive(Serialize)]
struct Reached {
    reached: usize,
}

/// Pushes, if the page was issued to the visitor who sends the form.
fn push(to: To, form: PushForm, visit: Option<&Visit>, hub: &Hub) -> Result<Reached, Refusal> {
    let session = visit.map(Visit::session);
    let session = session.ok_or_else(|| Refusal::FORBIDDEN.body("your session has ended"))?;
    let page = hub.find_page(session, &form.page);
    let page =
        page.ok_or_else(|| Refusal::FORBIDDEN.body("this page belongs to another session"))?;
    if form.text.chars().count() > MAX_LENGTH {
        return Err(Refusal::BAD_REQUEST.body("the text is too long"));
    }
    let text = form.text;
    let receipt = Receipt { to, text };
    let reached = match to {
        To::Page => page.push("receipt", &receipt),
        To::Session => session.push("receipt", &receipt),
        To::User => {
            let user = session.user();
            let user = user.ok_or_else(|| Refusal::FORBIDDEN.body("log on first"))?;
            hub.user(user).push("receipt", &receipt)
        }
        // This is a demonstration: everyone may push to everyone.
        To::Everyone => hub.broadcast("receipt", &receipt),
    };
    Ok(Reached { reached })
}

/// The routes.
pub(crate) fn routes(ws: &Ws) -> BoxedFilter<(Response,)> {
    let hub = ws.hub();
    warp::path!("push" / To)
        .and(form())
        // This filter refuses a POST from a page of another site.
        .and(ws.current_visit())
        .map(move |to, form: PushForm, visit: Option<Visit>| {
            let pushed = push(to, form, visit.as_ref(), &hub);
            match pushed {
                Ok(reached) => warp::reply::json(&reached).into_response(),
                Err(refusal) => Reply::into_response(refusal.into_response()),
            }
        })
        .boxed()
}
