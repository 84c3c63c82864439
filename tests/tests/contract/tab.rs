//! A page in a browser's tab that implements the page protocol, for tests without a browser.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use ws_core::protocol::OpCode;
use ws_core::testkit::{ClientBuilder, Received, TestClient, TestKit, TestVisitor};
use ws_server::prelude::*;

/// An event in a tab.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum TabEvent {
    /// An event: its name and its data.
    Event(String, Value),
    Text(String),
    Binary(String),
    /// The reason of a `reset`.
    Reset(String),
    /// The connection is closed, with this code and text.
    Closed(u16, String),
    /// The connection is lost.
    Lost,
    /// Any other message, unchanged.
    Other(Value),
}

/// Every tab runs a script of its own.
static SCRIPTS: AtomicU64 = AtomicU64::new(1);

/// A page in a tab, over any number of connections.
pub(crate) struct Tab {
    kit: TestKit,
    visitor: TestVisitor,
    path: String,
    page: String,
    pub(crate) epoch: Option<String>,
    pub(crate) offset: u64,
    /// Identifies the script that runs in the tab.
    pub(crate) script: u64,
    /// Messages that the server has not seen, with ids. A new one may not have been sent yet.
    unseen: VecDeque<(u64, String)>,
    last_id: u64,
    /// Messages that were sent in an epoch that has ended, and were not seen.
    pub(crate) unconfirmed: Vec<String>,
    /// `spread` of the last `welcome`.
    pub(crate) spread: Option<u64>,
    /// Whether it acknowledges what it receives.
    pub(crate) acknowledges: bool,
    pub(crate) client: Option<TestClient>,
    /// Changes every handshake.
    pub(crate) change_handshake: fn(ClientBuilder) -> ClientBuilder,
}

impl Tab {
    /// A tab with a page that was rendered just now.
    pub(crate) fn new(kit: &TestKit, visitor: &TestVisitor, path: &str) -> Self {
        Self::of(kit, visitor, path, &visitor.page())
    }

    /// A tab with this page.
    pub(crate) fn of(kit: &TestKit, visitor: &TestVisitor, path: &str, page: &Page) -> Self {
        Self {
            kit: kit.clone(),
            visitor: visitor.clone(),
            path: path.to_owned(),
            page: page.id().to_owned(),
            epoch: page.epoch(),
            offset: 0,
            script: SCRIPTS.fetch_add(1, Ordering::Relaxed),
            unseen: VecDeque::new(),
            last_id: 0,
            unconfirmed: Vec::new(),
            spread: None,
            acknowledges: true,
            client: None,
            change_handshake: |builder| builder,
        }
    }

    /// Sets the visitor's new cookie.
    pub(crate) fn set_visitor(&mut self, visitor: &TestVisitor) {
        self.visitor = visitor.clone();
    }

    /// The target of the request.
    pub(crate) fn target(&self) -> String {
        let position = self.epoch.as_ref();
        let position = position.map(|epoch| format!("&epoch={epoch}&offset={}", self.offset));
        let position = position.unwrap_or_default();
        let (path, page, script) = (&self.path, &self.page, self.script);
        format!("{path}?z_pid={page}&client={script}{position}")
    }

    /// Connects, and sends again what the server has not seen. Returns the status and body of a
    /// refusal.
    pub(crate) async fn connect(&mut self) -> Result<(), (u16, String)> {
        let builder = self.kit.open(&self.target()).session(&self.visitor);
        let builder = (self.change_handshake)(builder.header("sec-websocket-protocol", "page.v1"));
        let client = builder.connect().await;
        let describe = |refusal: Refusal| (refusal.status().as_u16(), refusal.text().to_owned());
        self.client = Some(client.map_err(describe)?);
        let welcome = self.json().await.expect("a welcome");
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        let epoch = welcome["epoch"].as_str().unwrap().to_owned();
        if self.epoch.as_ref().is_some_and(|known| *known != epoch) {
            // The sent messages may have been handled.
            let sent = self.unseen.drain(..).map(|(_, text)| text);
            self.unconfirmed.extend(sent);
            self.last_id = 0;
        }
        self.epoch = Some(epoch);
        self.offset = welcome["offset"].as_u64().unwrap();
        self.spread = welcome["spread"].as_u64();
        self.seen(welcome["seen"].as_u64().unwrap());
        for (id, text) in self.unseen.clone() {
            self.send_numbered(id, &text).await;
        }
        Ok(())
    }

    /// Connects a tab that must be accepted.
    pub(crate) async fn connected(mut self) -> Self {
        self.connect().await.expect("the page is accepted");
        self
    }

    fn seen(&mut self, last: u64) {
        self.unseen.retain(|(id, _)| *id > last);
    }

    /// The number of messages that the server has not seen.
    pub(crate) fn unseen(&self) -> usize {
        self.unseen.len()
    }

    pub(crate) fn client(&mut self) -> &mut TestClient {
        self.client.as_mut().expect("a tab that is connected")
    }

    /// Sends a message, now or when it is connected again.
    pub(crate) async fn send(&mut self, text: &str) {
        self.last_id += 1;
        let id = self.last_id;
        self.unseen.push_back((id, text.to_owned()));
        if self.client.is_some() {
            self.send_numbered(id, text).await;
        }
    }

    async fn send_numbered(&mut self, id: u64, text: &str) {
        let message = json!({"type": "text", "id": id, "data": text});
        self.send_raw(&message).await;
    }

    /// Sends any message, valid or not.
    pub(crate) async fn send_raw(&mut self, message: &Value) {
        self.client().send(message.to_string()).await;
    }

    /// Drops the connection, with everything in transit.
    pub(crate) async fn disconnect(&mut self) {
        if let Some(mut client) = self.client.take() {
            client.reset().await;
        }
    }

    /// The next message of the server; `None` at the end of the connection.
    async fn json(&mut self) -> Option<Value> {
        match self.client().receive().await {
            Received::Message(message) => {
                let text = message.as_text().expect("a text frame");
                Some(serde_json::from_str(text).expect("JSON"))
            }
            Received::Ping(payload) => {
                self.client().send_frame(OpCode::Pong, true, &payload).await;
                Some(json!({"type": "ping frame"}))
            }
            Received::Pong(_) => Some(json!({"type": "ping frame"})),
            Received::Close(code, text) => {
                self.client().close(code, "").await;
                Some(json!({"close": code.get(), "text": text}))
            }
            Received::End => None,
        }
    }

    /// The next event that is not just a `seen`.
    pub(crate) async fn next(&mut self) -> TabEvent {
        loop {
            let Some(message) = self.json().await else {
                self.client = None;
                return TabEvent::Lost;
            };
            if let Some(got) = self.read(message).await {
                return got;
            }
        }
    }

    async fn read(&mut self, message: Value) -> Option<TabEvent> {
        if let Some(code) = message["close"].as_u64() {
            self.client = None;
            let text = message["text"].as_str().unwrap().to_owned();
            return Some(TabEvent::Closed(u16::try_from(code).unwrap(), text));
        }
        let text = |name: &str| message[name].as_str().unwrap().to_owned();
        let got = match message["type"].as_str().unwrap() {
            "seen" => {
                self.seen(message["id"].as_u64().unwrap());
                return None;
            }
            "ping frame" => return None,
            "reset" => {
                self.offset = message["offset"].as_u64().unwrap();
                return Some(TabEvent::Reset(text("why")));
            }
            "event" => TabEvent::Event(text("event"), message["data"].clone()),
            "text" => TabEvent::Text(text("data")),
            "binary" => TabEvent::Binary(text("data")),
            _ => return Some(TabEvent::Other(message)),
        };
        let offset = message["offset"].as_u64().unwrap();
        assert_eq!(offset, self.offset + 1, "each message once, in order");
        self.offset = offset;
        if self.acknowledges {
            self.send_raw(&json!({"type": "ack", "offset": offset}))
                .await;
        }
        Some(got)
    }

    /// All events so far.
    pub(crate) async fn received_so_far(&mut self) -> Vec<TabEvent> {
        let mut all = Vec::new();
        loop {
            let wait = tokio::time::sleep(std::time::Duration::from_millis(1));
            tokio::select! {
                biased;
                got = self.next(), if self.client.is_some() => all.push(got),
                () = wait => return all,
            }
        }
    }

    /// Answers pings for this long, as a browser does.
    pub(crate) async fn stay(&mut self, seconds: u64) -> Vec<TabEvent> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            all.extend(self.received_so_far().await);
        }
        all
    }
}

/// An event of this name.
pub(crate) fn event(name: &str, data: impl Into<Value>) -> TabEvent {
    TabEvent::Event(name.to_owned(), data.into())
}
