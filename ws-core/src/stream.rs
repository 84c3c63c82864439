//! Connections that carry the stream of a page: the built-in handler, and handlers that live
//! as long as a page.
//!
//! Each socket of a page is an ordinary connection whose handler is [`PageStream`]. A handler
//! with `attach: page` is an ordinary connection too, whose transport is the page's stream
//! instead of a socket: so everything that holds for handlers holds for it.

use std::sync::Arc;

use bytes::Bytes;

use crate::decode::Payload;
use crate::driver::{Opened, Opens, Unopened, open};
use crate::error::Refusal;
use crate::extract::{AnyRoute, Context, Endpoint, Handshake, HasPage, LeavesParams, Opening};
use crate::handler::{Call, Handler, Hooks, Step};
use crate::id::ConnectionId;
use crate::mailbox::Accepts;
use crate::page::{AttachError, Feed, OpenError, Page, PageSocket, Room, Stream, logged_on};
use crate::session::Session;

mod messages;
mod position;
mod transport;

use transport::PageTransport;

/// The default handler: attaches the connection to the page that opened it.
///
/// In a table: `stream: "/websocket" => PageStream;`. What is pushed to the page, to its
/// session, to its user or to everyone arrives there, each once and in order, over any number of
/// connections; what the page sends goes to
/// [`Hub::on_page_message`](crate::hub::Hub::on_page_message). The page's HTML has
/// [`Page::stream_tag`]; the protocol is `PAGE-PROTOCOL.md`.
///
/// For a handler of your own that lives as long as the page, write
/// `dash: "/dash" => Dashboard { attach: page };`.
#[derive(Debug)]
pub struct PageStream {
    link: Link,
}

/// The hold of a socket on a page's stream; dropping it lets go.
struct Link {
    page: Page,
    session: Session,
    stream: Arc<Stream>,
    socket: ConnectionId,
    /// Bytes of the largest payload.
    max_payload: usize,
    /// The page has said that it is closed for good.
    bye: bool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let pages = self.page.pages();
        pages.detach(&self.stream, self.socket, self.bye);
    }
}

impl PageStream {
    /// Lets the stream of a page go through this connection.
    fn carry(
        handshake: &Handshake,
        context: &Context<Self>,
        route: usize,
        stream: Arc<Stream>,
    ) -> Result<Result<Self, AttachError>, Refusal> {
        let (page, session) = visitor(handshake)?;
        let standing = position::of(handshake)?;
        let socket: Arc<dyn PageSocket> = context.socket.shared().clone();
        let attached = page
            .pages()
            .attach(&stream, session, route, standing, &socket);
        let endpoint = context.endpoint.of_pages().unwrap_or(&context.endpoint);
        let link = Link {
            page: page.clone(),
            session: session.clone(),
            stream,
            socket: context.socket.id(),
            max_payload: endpoint.limits().max_message,
            bye: false,
        };
        Ok(attached.map(|()| Self { link }))
    }
}

/// Who is at the other end. Admission lets nobody in without a page.
fn visitor(handshake: &Handshake) -> Result<(&Page, &Session), Refusal> {
    handshake
        .page()
        .zip(handshake.session())
        .ok_or(Refusal::FORBIDDEN)
}

/// The stream of a page, begun where there is none.
fn begin(page: &Page) -> Result<Arc<Stream>, Refusal> {
    page.open().map_err(|error| match error {
        OpenError::TooMany => Refusal::TOO_MANY_REQUESTS.body("this session has too many pages"),
        OpenError::Session(error) => error.into(),
    })
}

fn refusal(error: AttachError) -> Refusal {
    match error {
        AttachError::Ended => Refusal::unavailable("the page has just ended"),
        AttachError::Elsewhere => Refusal::CONFLICT.body("this page is attached at another route"),
        AttachError::Overtaken => Refusal::CONFLICT.body("a logon has replaced the session"),
        AttachError::FromTheFuture => {
            Refusal::BAD_REQUEST.body("`offset` is of a message that was never sent")
        }
    }
}

/// Names a route among those of a server.
fn route_of(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint).addr()
}

/// Runs a connection of a page to a handler of the route with the marker `R` that lives as
/// long as the page: `attach: page` in a table. Its `init` runs where the page has no handler
/// yet.
///
/// Its errors are those of [`connect`](crate::driver::connect); a page that is attached at
/// another route is answered with 409.
pub fn connect_page<H: Handler<R>, R: HasPage + 'static>(
    endpoint: Arc<Endpoint>,
    mut handshake: Handshake,
) -> Opens {
    Box::pin(async move {
        let slot = handshake.take_slot();
        let route = route_of(&endpoint);
        position::check_protocol(&handshake)?;
        position::of(&handshake)?;
        let (page, session) = visitor(&handshake)?;
        let (page, session) = (page.clone(), session.clone());
        loop {
            let stream = current(&page, &session)?;
            let _held = page.pages().hold(&stream);
            let opening = stream.opening.lock().await;
            match stream.check(&session, route) {
                Err(AttachError::Ended) => continue,
                checked => checked.map_err(refusal)?,
            }
            // Somebody may have begun it meanwhile, before a logon.
            if stream.is_of_another(&session) {
                continue;
            }
            if !stream.has_handler() {
                handshake = start::<H, R>(&endpoint, handshake, &session, &stream, &page).await?;
            }
            drop(opening);
            let unopened = Unopened::<PageStream>::register(&endpoint, &handshake);
            let carried = PageStream::carry(&handshake, &unopened.context, route, stream.clone())?;
            let handler = match carried {
                Err(AttachError::Ended) => continue,
                carried => carried.map_err(refusal)?,
            };
            let hooks = const { &Hooks::<PageStream>::of::<AnyRoute>() };
            let ready = unopened.ready(handler, hooks, slot)?;
            return Ok(Box::new(ready) as Box<dyn Opened>);
        }
    })
}

/// The stream of a page as this session may have it: a handler that was made for the visitor
/// of before a logon is none for who has logged on.
fn current(page: &Page, session: &Session) -> Result<Arc<Stream>, Refusal> {
    let stream = begin(page)?;
    if stream.is_of_another(session) {
        page.pages().end(&stream, &logged_on());
        return begin(page);
    }
    Ok(stream)
}

/// Runs `init` of the handler of a page, and lets it live.
async fn start<H: Handler<R>, R: 'static>(
    endpoint: &Arc<Endpoint>,
    handshake: Handshake,
    session: &Session,
    stream: &Arc<Stream>,
    page: &Page,
) -> Result<Handshake, Refusal> {
    let inner = endpoint.of_pages().unwrap_or(endpoint);
    let (ready, handshake) = open::<H, R>(inner, handshake).await?;
    let feed = Arc::new(Feed::new(page.pages().limits().bytes));
    match stream.set_handler(feed.clone(), session, route_of(endpoint)) {
        // The page begins anew; for this handler the upgrade has failed.
        Err(AttachError::Ended) => return Ok(handshake),
        set => set.map_err(refusal)?,
    }
    let transport = PageTransport::new(page.pages().clone(), stream.clone(), feed);
    Box::new(ready).start(Box::new(transport).into(), Bytes::new());
    Ok(handshake)
}

impl<R: HasPage> Handler<R> for PageStream {
    const SPEAKS_PAGE_PROTOCOL: bool = true;

    async fn init(opening: &Opening<Self>) -> Result<Self, Refusal> {
        let (handshake, context) = (opening.handshake(), opening.context());
        position::check_protocol(handshake)?;
        let (page, _) = visitor(handshake)?;
        let route = route_of(&context.endpoint);
        loop {
            match Self::carry(handshake, context, route, begin(page)?)? {
                // It has ended just now: the page begins anew.
                Err(AttachError::Ended) => {}
                carried => return carried.map_err(refusal),
            }
        }
    }

    fn message(call: Call<'_, Self>, payload: Payload<'_>) -> Step<Self> {
        messages::receive(call, &payload)
    }

    fn info(call: Call<'_, Self>) -> Option<Step<Self>> {
        call.context().next_notification::<Room>()?;
        Some(messages::wait_for_room(call))
    }
}

impl Accepts<Room> for PageStream {}

impl LeavesParams for PageStream {}
