//! A page in a browser's tab, for tests without a browser.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ClientBuilder, TestKit, TestVisitor};
use crate::call::{Answer, CallId};
use crate::close::CloseCode;
use crate::error::Refusal;
use crate::message::Message;
use crate::page::{PAGE_PROTOCOL, Page};
use crate::wire::FromPage;

mod builder;
mod connection;
mod inbox;
mod moving;
mod script;

pub use builder::PageBuilder;
pub use inbox::{PageReceived, ResetReason};
pub use script::Acks;

use connection::PageConnection;
use script::Script;

/// The longest time that a test waits for an event: 60 seconds of tokio's time.
const DEADLINE: Duration = Duration::from_secs(60);

/// Changes each handshake of a page.
type ChangeHandshake = Arc<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>;

/// A page in a tab, over any number of connections, in memory.
///
/// It behaves like the browser client: it acknowledges messages, even while the test waits for
/// something else. When it [reconnects](Self::reconnect), it continues at its last offset and sends
/// again the messages that the server has not seen. A test reads the messages of the page in order,
/// each once.
///
/// If the server does something unexpected, the methods panic and show the received event. A method
/// that waits gives up after a minute of tokio's time; under `#[tokio::test(start_paused = true)]`,
/// that takes no time.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::testkit::{ResetReason, TestKit};
///
/// /// Counts the messages of a page, over all of its connections.
/// struct Counter(u32);
///
/// #[ws_handler]
/// impl Counter {
///     fn init() -> Self {
///         Counter(0)
///     }
///
///     fn message(&mut self, text: String) -> String {
///         self.0 += 1;
///         format!("{}: {text}", self.0)
///     }
/// }
///
/// dispatch! {
///     struct Routes;
///
///     counter: "/counter" => Counter { attach: page };
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let kit = TestKit::table(Routes::table(), ws_server::extract::NoState).unwrap();
/// let ada = kit.user("ada").await;
/// let mut page = kit.page("/counter").visitor(&ada).connect().await.unwrap();
/// page.send("one").await;
/// assert_eq!(page.text().await, "1: one");
///
/// page.disconnect().await;
/// page.send("two").await;
/// kit.hub().user("ada").push("news", &7);
/// page.reconnect().await.unwrap();
/// assert_eq!(page.event::<u32>("news").await, 7);
/// assert_eq!(page.text().await, "2: two");
///
/// // A page that is away for longer than its grace time ends, and so does its handler.
/// page.disconnect().await;
/// tokio::time::sleep(std::time::Duration::from_secs(30)).await;
/// page.reconnect().await.unwrap();
/// assert_eq!(page.reset().await, ResetReason::Restart);
/// page.send("three").await;
/// assert_eq!(page.text().await, "1: three");
/// # });
/// ```
pub struct TestPage {
    kit: TestKit,
    path: String,
    /// `None` without cookies.
    visitor: Option<TestVisitor>,
    /// `None` until the server has issued one.
    page: Option<Page>,
    /// Identifies the script that runs in the page.
    client: u64,
    each: ChangeHandshake,
    script: Arc<Script>,
    connection: Option<PageConnection>,
    last_call: u32,
}

impl fmt::Debug for TestPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPage")
            .field("path", &self.path)
            .field("connected", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

/// Connections.
impl TestPage {
    /// Reconnects, and continues at the page's position. Cuts an open connection first.
    ///
    /// # Errors
    ///
    /// Fails like [`connect`](PageBuilder::connect).
    ///
    /// # Panics
    ///
    /// Panics if the first message of the server is not a `welcome`.
    pub async fn reconnect(&mut self) -> Result<(), Refusal> {
        self.disconnect().await;
        let parameter = self.kit.hub().sessions().page_parameter();
        let query = serde_urlencoded::to_string(self.script.query(self.client));
        let query = query.expect("the names and values are plain");
        let id = self.page.as_ref();
        let id = id.map_or(String::new(), |page| format!("{parameter}={}&", page.id()));
        let builder = self.kit.open(&format!("{}?{id}{query}", self.path));
        let builder = match &self.visitor {
            Some(visitor) => builder.session(visitor),
            None => builder,
        };
        let builder = builder.header("sec-websocket-protocol", PAGE_PROTOCOL);
        let client = (self.each)(builder).connect().await?;
        let (connection, fresh) = PageConnection::begin(client, &self.script).await;
        self.connection = Some(connection);
        if let Some(id) = fresh {
            self.page = self.kit.hub().page(&id);
        }
        Ok(())
    }

    /// Cuts the connection, and loses everything in transit in both directions.
    pub async fn disconnect(&mut self) {
        if self.connection.take().is_some() {
            tokio::task::yield_now().await;
        }
    }

    /// Sends `bye`: the page is closed for good, like a tab that the user closes. The server closes
    /// the connection.
    pub async fn bye(&mut self) {
        self.script.write(&FromPage::Bye);
        tokio::task::yield_now().await;
    }

    /// Sets how the page acknowledges messages.
    pub fn acks(&mut self, acks: Acks) {
        self.script.set_acks(acks);
    }

    /// Sets the visitor's new cookie, as after a logon. The next [`reconnect`](Self::reconnect)
    /// sends it.
    pub fn set_visitor(&mut self, visitor: &TestVisitor) {
        self.visitor = Some(visitor.clone());
    }

    /// Returns the page, for pushing to it from the test.
    ///
    /// # Panics
    ///
    /// Panics if there is none: a client without cookies gets it from the server.
    pub const fn page(&self) -> &Page {
        self.page.as_ref().expect("the server has issued an id")
    }
}

/// Sending.
impl TestPage {
    /// Sends a message, now or after the next reconnect.
    pub async fn send(&mut self, message: impl Into<Message>) {
        self.script.send(message.into());
        tokio::task::yield_now().await;
    }

    /// Sends a value as a text message with JSON.
    ///
    /// # Panics
    ///
    /// Panics if the value cannot be encoded.
    pub async fn send_json(&mut self, value: &impl Serialize) {
        let text = serde_json::to_string(value).expect("a value that can be encoded");
        self.send(text).await;
    }

    /// Sends a request ([`Call`](crate::call::Call)) and waits for its answer. Other messages that
    /// arrive meanwhile are kept.
    ///
    /// # Errors
    ///
    /// The error in the handler's answer.
    ///
    /// # Panics
    ///
    /// Panics if the answer is neither an `R` nor an `E`, or does not arrive.
    pub async fn try_request<R: DeserializeOwned, E: DeserializeOwned>(
        &mut self,
        body: &impl Serialize,
    ) -> Result<R, E> {
        self.last_call += 1;
        let id = CallId::new(self.last_call.into()).expect("a small number");
        let body = serde_json::to_value(body).expect("a value that can be encoded");
        self.send_json(&serde_json::json!({"call": id, "body": body}))
            .await;
        let text = self.wait(|script| script.take_answer(id)).await;
        let answer: Answer<R, E> = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error} in the answer {text:?}"));
        answer.result
    }

    /// Like [`try_request`](Self::try_request), for an answer that is `ok`.
    ///
    /// # Panics
    ///
    /// Panics if the answer is not an `R`, is an error, or does not arrive.
    pub async fn request<R: DeserializeOwned>(&mut self, body: &impl Serialize) -> R {
        let answered: Result<R, serde_json::Value> = self.try_request(body).await;
        answered.unwrap_or_else(|error| panic!("the answer is an error: {error}"))
    }

    /// Returns how many messages of the page the server has not seen.
    pub fn unseen(&self) -> usize {
        self.script.unseen()
    }

    /// Takes the messages that were sent in an epoch that has ended, and were not seen. They may or
    /// may not have been handled, and are not sent again.
    pub fn unconfirmed(&mut self) -> Vec<Message> {
        self.script.take_unconfirmed()
    }
}

/// Receiving.
impl TestPage {
    /// Waits for the next event of the page.
    ///
    /// # Panics
    ///
    /// Panics if nothing arrives within a minute, or the server breaks the protocol.
    pub async fn receive(&mut self) -> PageReceived {
        let received = self.wait(Script::take).await;
        if received.is_end() {
            self.connection = None;
        }
        received
    }

    /// Waits for the next message, which must be text of the page's handler.
    ///
    /// # Panics
    ///
    /// Panics if something else arrives.
    pub async fn text(&mut self) -> String {
        match self.receive().await {
            PageReceived::Text(text) => text,
            other => panic!("expected text, received {other:?}"),
        }
    }

    /// Like [`text`](Self::text), decoded as JSON.
    ///
    /// # Panics
    ///
    /// Panics if something else arrives, or the text does not decode as a `T`.
    pub async fn json<T: DeserializeOwned>(&mut self) -> T {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// Waits for the next message, which must be binary data of the page's handler.
    ///
    /// # Panics
    ///
    /// Panics if something else arrives.
    pub async fn binary(&mut self) -> Bytes {
        match self.receive().await {
            PageReceived::Binary(data) => data,
            other => panic!("expected a binary message, received {other:?}"),
        }
    }

    /// Waits for the next message, which must be an event with this name. Returns its data.
    ///
    /// # Panics
    ///
    /// Panics if something else arrives, or the data does not decode as a `T`.
    pub async fn event<T: DeserializeOwned>(&mut self, name: &str) -> T {
        match self.receive().await {
            PageReceived::Event(event, data) if event == name => serde_json::from_value(data)
                .unwrap_or_else(|error| panic!("{error} in the event {name:?}")),
            other => panic!("expected the event {name:?}, received {other:?}"),
        }
    }

    /// Waits for the next message, which must be a `reset`. Returns its reason.
    ///
    /// # Panics
    ///
    /// Panics if something else arrives.
    pub async fn reset(&mut self) -> ResetReason {
        match self.receive().await {
            PageReceived::Reset(gap) => gap,
            other => panic!("expected a reset, received {other:?}"),
        }
    }

    /// Waits for the server's Close. Returns its code and text. Ignores unread messages before it.
    ///
    /// # Panics
    ///
    /// Panics if the connection is lost instead.
    pub async fn closed(&mut self) -> (CloseCode, String) {
        loop {
            match self.receive().await {
                PageReceived::Closed(code, text) => return (code, text),
                PageReceived::Lost => panic!("expected a Close, but the connection is lost"),
                _ => {}
            }
        }
    }

    /// Returns everything that the page has received and the test has not read, when nothing more
    /// arrives for a millisecond.
    pub async fn received_so_far(&mut self) -> Vec<PageReceived> {
        let mut all = Vec::new();
        let soon = Duration::from_millis(1);
        while let Ok(received) = tokio::time::timeout(soon, self.receive()).await {
            all.push(received);
        }
        all
    }

    /// Waits until `take` returns a value.
    async fn wait<T>(&self, take: impl Fn(&Script) -> Option<T>) -> T {
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                let arrived = self.script.arrived.notified();
                tokio::pin!(arrived);
                // Registered before the check, so that no notification is lost in between.
                arrived.as_mut().enable();
                if let Some(taken) = take(&self.script) {
                    return taken;
                }
                arrived.await;
            }
        });
        waited.await.unwrap_or_else(|_| {
            let unread = self.script.waiting();
            panic!("the expected message did not arrive within {DEADLINE:?}; unread: {unread:?}")
        })
    }
}
