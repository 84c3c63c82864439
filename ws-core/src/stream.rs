//! Connections attached to the stream of a page: the built-in handler, and handlers that live as
//! long as a page.
//!
//! Each socket of a page is an ordinary connection whose handler is [`PageStream`]. A handler with
//! `attach: page` is an ordinary connection too, but its transport is the page's stream instead of
//! a socket, so it behaves like any other handler.

use std::pin::{Pin, pin};
use std::sync::Arc;

use tokio::time::Instant;

use crate::decode::Payload;
use crate::driver::{
    Connecting, Init, PendingConnection, ReadyConnection, connect_keeping_handshake,
};
use crate::error::Refusal;
use crate::extract::{
    Admitted, AnyRoute, AttachesPage, Context, Endpoint, Handshake, HasPage, IgnoresPathParams,
    Opening,
};
use crate::handler::{Handler, HookCall, Step};
use crate::id::ConnectionId;
use crate::limits::deadline_after;
use crate::mailbox::Accepts;
use crate::page::{
    AttachError, AttachRequest, CapacityFreed, InitClient, Page, PageResume, PageReturn,
    PageSocket, RestoredBy, Stream, logon_close,
};
use crate::session::Session;
use crate::timeout;

mod claims;
mod credentials;
mod messages;
mod position;
mod transport;

use transport::PageTransport;

/// The default handler: attaches the connection to the page that opened it.
///
/// In a table: `stream: "/websocket" => PageStream;`. Everything pushed to the page, to its
/// session, to its user or to all pages arrives exactly once and in order, over any number of
/// connections. Messages of the page go to
/// [`Hub::on_page_message`](crate::hub::Hub::on_page_message). Put [`Page::stream_tag`] into the
/// page's HTML; the protocol is `PAGE-PROTOCOL.md`.
///
/// For a handler of your own that lives as long as the page, write
/// `dash: "/dash" => Dashboard { attach: page };`. For clients without cookies, write
/// `device: "/device" => PageStream { attach: page, require_session: false };`.
///
/// ```
/// use ws_server::prelude::*;
///
/// dispatch! {
///     struct Routes;
///
///     stream: "/stream" => PageStream;
/// }
///
/// /// The HTML of a page that gets everything pushed to `page`.
/// fn html(page: &Page) -> String {
///     format!("<!doctype html>{}", page.stream_tag(&Routes::stream()))
/// }
/// ```
#[derive(Debug)]
pub struct PageStream {
    link: Link,
}

/// The attachment of a socket to a page's stream; dropping it detaches the socket.
struct Link {
    page: Page,
    /// The session of the visitor, if the page has one.
    session: Option<Session>,
    stream: Arc<Stream>,
    socket: ConnectionId,
    /// The size of the largest payload, in bytes.
    max_payload: usize,
    /// Whether the page has reported that it is closed for good.
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
    /// Attaches this connection to the stream of a page.
    fn attach_socket(
        handshake: &Handshake,
        context: &Context<Self>,
        request: AttachRequest,
        stream: Arc<Stream>,
    ) -> Result<Result<Self, AttachError>, Refusal> {
        let (page, session) = visitor(handshake)?;
        let socket: Arc<dyn PageSocket> = context.socket.shared().clone();
        let attached = page.pages().attach(&stream, session, request, &socket);
        let endpoint = context
            .endpoint
            .page_endpoint()
            .unwrap_or(&context.endpoint);
        let link = Link {
            page: page.clone(),
            session: handshake.session().cloned(),
            stream,
            socket: context.socket.id(),
            max_payload: endpoint.limits().max_message,
            bye: false,
        };
        Ok(attached.map(|()| Self { link }))
    }
}

/// The page of the client, and the session that owns it. Admission guarantees that there is a page.
fn visitor(handshake: &Handshake) -> Result<(&Page, &Session), Refusal> {
    let page = handshake.page().ok_or(Refusal::FORBIDDEN)?;
    Ok((page, handshake.session().unwrap_or(page.owner())))
}

/// The client of a handshake, for which `init` of the page's handler decides.
fn client_of(handshake: &Handshake, page: &Page, session: &Session) -> InitClient {
    let headers = handshake.headers();
    InitClient {
        session: session.clone(),
        credentials: session
            .is_of_page()
            .then(|| credentials::of(headers, page.id())),
    }
}

/// The stream of a page, opened if there is none.
fn stream_of(
    page: &Page,
    handshake: &Handshake,
    request: AttachRequest,
) -> Result<Arc<Stream>, Refusal> {
    let opened = page.open(handshake.counted_address(), request);
    opened.map_err(|error| page.pages().refuse(error))
}

/// The stream of a page for this session. If it was created for the visitor before a logon, it is
/// ended and replaced, since the user must not inherit it.
fn stream_for_session(
    page: &Page,
    session: &Session,
    handshake: &Handshake,
    request: AttachRequest,
) -> Result<Arc<Stream>, Refusal> {
    let stream = stream_of(page, handshake, request)?;
    if stream.belongs_to_another_visitor(session) {
        page.pages().end(&stream, &logon_close());
        return stream_of(page, handshake, request);
    }
    Ok(stream)
}

/// Identifies a route of a server.
fn route_of(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint).addr()
}

/// Attaches a connection of a page to the page's handler, on a route with the marker `R` and
/// `attach: page`. If the page has no handler yet, this runs its `init`. Other connections of the
/// page wait for the outcome, each for at most one `init_timeout`.
///
/// The errors are those of [`connect`](crate::driver::connect); if the page is attached to another
/// route, the response is 409.
pub fn connect_page<H: Handler<R>, R: AttachesPage + 'static>(
    endpoint: Arc<Endpoint>,
    admitted: Admitted,
) -> Connecting {
    Connecting::for_page(Box::pin(attach(
        endpoint,
        admitted,
        connect_keeping_handshake::<H, R>,
    )))
}

/// Starts the handler of one route.
type ConnectHandler = fn(Arc<Endpoint>, Handshake) -> Init<(ReadyConnection, Handshake)>;

/// Attaches a connection of a page to the page's handler.
async fn attach(
    endpoint: Arc<Endpoint>,
    admitted: Admitted,
    connect: ConnectHandler,
) -> Result<ReadyConnection, Refusal> {
    let Admitted {
        mut handshake,
        permit,
        deflate,
    } = admitted;
    position::check_protocol(&handshake)?;
    let (page, session) = visitor(&handshake)?;
    let returned = position::of(&handshake, page).await?;
    let inner = endpoint.page_endpoint().unwrap_or(&endpoint);
    // The deadline for `init`, including the wait for it.
    let mut deadline = deadline_after(Instant::now(), inner.limits().init_timeout);
    let request = AttachRequest {
        route: route_of(&endpoint),
        report: returned.report,
    };
    let opener = Opener {
        request,
        returned,
        client: client_of(&handshake, page, session),
        page: page.clone(),
        endpoint,
        connect,
    };
    loop {
        let stream = stream_for_session(&opener.page, &opener.client.session, &handshake, request)?;
        let _hold = opener.page.pages().hold(&stream);
        opener.ask(&stream, &mut deadline).await?;
        let has_handler;
        (has_handler, handshake) = opener
            .ensure_handler(handshake, &stream, &mut deadline)
            .await?;
        if !has_handler {
            continue;
        }
        let pending = PendingConnection::register(opener.endpoint.clone(), &handshake, deflate);
        let context = pending.context();
        let handler = match PageStream::attach_socket(&handshake, &context, request, stream)? {
            Err(AttachError::Ended) => continue,
            attached => attached.map_err(Refusal::from)?,
        };
        let ready = ReadyConnection::new::<PageStream, AnyRoute>(handler, context, permit);
        return pending.open(ready);
    }
}

/// A connection of a page before it is attached to the page's handler.
struct Opener {
    endpoint: Arc<Endpoint>,
    request: AttachRequest,
    returned: PageReturn,
    page: Page,
    client: InitClient,
    connect: ConnectHandler,
}

impl Opener {
    /// Ensures that the page has a handler. Returns false if the stream has ended in the meantime:
    /// then the caller must open a new one.
    async fn ensure_handler(
        &self,
        handshake: Handshake,
        stream: &Arc<Stream>,
        deadline: &mut Instant,
    ) -> Result<(bool, Handshake), Refusal> {
        let Self {
            client, endpoint, ..
        } = self;
        let inner = endpoint.page_endpoint().unwrap_or(endpoint);
        let waiting = stream.init_lock.register(client);
        let turn = waiting.turn(deadline, inner.limits().init_timeout).await?;
        match stream.check(&client.session, self.request) {
            Err(AttachError::Ended) => return Ok((false, handshake)),
            checked => checked.map_err(Refusal::from)?,
        }
        // Another connection may have created a handler before a logon.
        if stream.belongs_to_another_visitor(&client.session) {
            return Ok((false, handshake));
        }
        if stream.has_handler_for(client)? {
            drop(turn);
            self.claim(stream, deadline).await?;
            return Ok((true, handshake));
        }
        let started = self.start_handler(handshake, stream, deadline).await;
        let handshake = started.inspect_err(|refusal| turn.fail(client, refusal))?;
        Ok((true, handshake))
    }

    /// Asks whether the page is on another server, until the deadline of `init`.
    async fn ask(&self, stream: &Stream, deadline: &mut Instant) -> Result<(), Refusal> {
        let credentials = self.client.credentials.as_ref();
        let asked = pin!(claims::ask(&self.page, stream, credentials));
        self.in_time(deadline, asked).await
    }

    /// Makes this server the owner of the page, until the deadline of `init`.
    async fn claim(&self, stream: &Arc<Stream>, deadline: &mut Instant) -> Result<(), Refusal> {
        let (report, credentials) = (self.request.report, self.client.credentials.as_ref());
        let claimed = pin!(claims::claim(&self.page, stream, report, credentials));
        self.in_time(deadline, claimed).await
    }

    /// Waits for the log: as long as for `init`, which is before or after that.
    async fn in_time(
        &self,
        deadline: &mut Instant,
        step: Pin<&mut impl Future<Output = Result<(), Refusal>>>,
    ) -> Result<(), Refusal> {
        let inner = self.endpoint.page_endpoint().unwrap_or(&self.endpoint);
        let done = timeout::timeout_at(deadline, inner.limits().init_timeout, step).await;
        done.map_err(|_| Refusal::unavailable("the log does not answer: try again"))?
    }

    /// Runs `init` of the handler, and starts its connection. The page comes here only if `init`
    /// accepts it.
    async fn start_handler(
        &self,
        mut handshake: Handshake,
        stream: &Arc<Stream>,
        deadline: &mut Instant,
    ) -> Result<Handshake, Refusal> {
        let Self { endpoint, page, .. } = self;
        let inner = endpoint.page_endpoint().unwrap_or(endpoint);
        let resume = Arc::new(PageResume::new(
            page.pages(),
            stream,
            &self.returned,
            RestoredBy::Handler,
        ));
        handshake.resume = Some(resume.clone());
        let init = (self.connect)(inner.clone(), handshake);
        let (opened, handshake) = init.run(*deadline).await?;
        self.claim(stream, deadline).await?;
        resume.decide();
        let feed = page.pages().new_feed();
        match stream.set_handler(feed.clone(), &self.client, self.request.route) {
            // The caller opens a new stream; for this handler, the upgrade has failed.
            Err(AttachError::Ended) => return Ok(handshake),
            set => set.map_err(Refusal::from)?,
        }
        let transport = PageTransport::new(page.pages().clone(), stream.clone(), feed);
        opened.start(Box::new(transport).into(), &[]);
        Ok(handshake)
    }
}

impl<R: HasPage> Handler<R> for PageStream {
    const SPEAKS_PAGE_PROTOCOL: bool = true;

    async fn init(opening: &Opening<Self>) -> Result<Self, Refusal> {
        let (handshake, context) = (opening.handshake(), opening.context());
        position::check_protocol(handshake)?;
        let (page, session) = visitor(handshake)?;
        let returned = position::of(handshake, page).await?;
        let request = AttachRequest {
            route: route_of(&context.endpoint),
            report: returned.report,
        };
        let client = client_of(handshake, page, session);
        loop {
            let stream = stream_for_session(page, session, handshake, request)?;
            if claims::end_if_left(page, &stream, &request.report) {
                continue;
            }
            // Elsewhere, the page may have a handler that was started with credentials.
            let credentials = client.credentials.as_ref();
            if credentials.is_some() {
                claims::ask(page, &stream, credentials).await?;
            }
            claims::claim(page, &stream, request.report, credentials).await?;
            // Two connections that come from another server would both begin the stream.
            let limit = context.endpoint.limits().init_timeout;
            let waiting = stream.init_lock.register(&client);
            let _turn = waiting
                .turn(&mut deadline_after(Instant::now(), limit), limit)
                .await?;
            PageResume::new(page.pages(), &stream, &returned, RestoredBy::Session).decide();
            match Self::attach_socket(handshake, context, request, stream.clone())? {
                // The stream has just ended: open a new one.
                Err(AttachError::Ended) => {}
                attached => return attached.map_err(Refusal::from),
            }
        }
    }

    fn message(call: HookCall<'_, Self>, payload: Payload<'_>) -> Step<Self> {
        messages::receive(call, &payload)
    }

    fn info(call: HookCall<'_, Self>) -> Option<Step<Self>> {
        call.context().next_notification::<CapacityFreed>()?;
        Some(messages::wait_for_capacity(call))
    }
}

impl Accepts<CapacityFreed> for PageStream {}

impl<R> IgnoresPathParams<R> for PageStream {}
