//! The state of a page's script, over its connections.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::Notify;

use super::inbox::{PageReceived, numbered, parse};
use crate::call::CallId;
use crate::message::Message;
use crate::page::Page;
use crate::protocol::OpCode;
use crate::protocol::encoder::encode_masked;
use crate::testkit::client::MASK;
use crate::testkit::pipe::Pipe;
use crate::wire::{FromPage, Gap, PageQuery, ToPage};

/// A browser acknowledges at once after this many messages.
const ACK_EVERY: u64 = 32;

/// How a page acknowledges messages.
///
/// ```
/// use ws_server::testkit::{Acks, TestPage};
///
/// /// Pushes until the queue of a page that reads nothing is full.
/// fn fill(page: &mut TestPage) {
///     page.acks(Acks::Withheld);
///     for number in 0..2_000 {
///         page.page().push("number", &number);
///     }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Acks {
    /// Like browsers: at every 32nd message, and 100 ms after the last.
    #[default]
    Automatic,
    /// Never, like a stopped page: the server keeps the sent messages.
    Withheld,
}

/// The acknowledgement that is still due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    Nothing,
    /// After a short delay from the first unacknowledged message.
    Later,
}

/// Writes to the server, from any task.
pub(super) struct PipeWriter(Pipe);

impl PipeWriter {
    pub(super) fn new(pipe: Pipe) -> Self {
        Self(pipe)
    }

    fn write(&self, message: &FromPage) {
        let Self(pipe) = self;
        let text = message.to_text();
        pipe.write(&encode_masked(OpCode::Text, true, text.as_bytes(), MASK));
    }
}

/// The page's side of the protocol.
pub(super) struct Script {
    state: Mutex<ScriptState>,
    /// Notified when anything arrives.
    pub(super) arrived: Notify,
}

struct ScriptState {
    /// The number of connections.
    attempts: u64,
    epoch: Option<String>,
    /// The sealed base of the page's cursor, and the place of the last message of each lane.
    base: Option<String>,
    at: BTreeMap<String, String>,
    /// The connection has begun with another base.
    has_new_base: bool,
    /// The last offset that the page has received.
    offset: u64,
    /// The last offset that was acknowledged.
    acked: u64,
    acks: Acks,
    /// Messages that the server has not seen.
    unseen: VecDeque<(u64, Message)>,
    last_id: u64,
    unconfirmed: Vec<Message>,
    inbox: VecDeque<PageReceived>,
    /// How the server has broken the protocol.
    broken: Option<String>,
    /// Writes to the current connection.
    writer: Option<PipeWriter>,
}

impl Script {
    /// The script of a page that was rendered just now, or of a client without one.
    pub(super) fn of(rendered: Option<&Page>) -> Self {
        let base = rendered.and_then(Page::base).map(str::to_owned);
        Self::new(rendered.and_then(Page::epoch), base)
    }

    fn new(epoch: Option<String>, base: Option<String>) -> Self {
        let state = ScriptState {
            attempts: 0,
            epoch,
            base,
            at: BTreeMap::new(),
            has_new_base: false,
            offset: 0,
            acked: 0,
            acks: Acks::Automatic,
            unseen: VecDeque::new(),
            last_id: 0,
            unconfirmed: Vec::new(),
            inbox: VecDeque::new(),
            broken: None,
            writer: None,
        };
        Self {
            state: Mutex::new(state),
            arrived: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ScriptState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The query of the next handshake of this client, without the id of the page.
    pub(super) fn query(&self, client: u64) -> PageQuery {
        let mut state = self.lock();
        state.attempts += 1;
        PageQuery {
            client: Some(client),
            attempt: Some(state.attempts),
            epoch: state.epoch.clone(),
            offset: state.epoch.as_ref().map(|_| state.offset),
            base: state.base.clone(),
            at: state.base.as_ref().map(|_| state.places()),
        }
    }

    /// Handles the first message of a connection. Sends again the messages that the server has not
    /// seen. Returns the id of the page, if that is new.
    pub(super) fn welcome(&self, text: &str, writer: PipeWriter) -> Option<String> {
        let Ok(ToPage::Welcome {
            epoch,
            offset,
            seen,
            base,
            page,
            ..
        }) = parse(text)
        else {
            panic!("expected a welcome, received {text:?}");
        };
        let mut state = self.lock();
        let same = state.epoch.as_ref().is_none_or(|known| *known == epoch);
        if !same {
            // Messages that were sent may have been handled; unsent ones get new ids.
            let sent = std::mem::take(&mut state.unseen);
            let (sent, new): (Vec<_>, Vec<_>) = sent.into_iter().partition(|(id, _)| *id > 0);
            let sent = sent.into_iter().map(|(_, message)| message);
            state.unconfirmed.extend(sent);
            state.unseen.extend(new);
            state.last_id = 0;
        }
        state.epoch = Some(epoch);
        state.has_new_base = base.is_some();
        if base.is_some() {
            state.at.clear();
            state.base = base;
        }
        (state.offset, state.acked) = (offset, offset);
        state.seen(seen);
        state.writer = Some(writer);
        state.flush();
        page
    }

    /// Handles a message after `welcome`. Returns when to acknowledge it.
    pub(super) fn receive(&self, text: &str) -> Due {
        let mut state = self.lock();
        if let Err(broken) = state.receive(text) {
            state.broken = Some(broken);
        }
        let due = state.due();
        drop(state);
        self.arrived.notify_waiters();
        due
    }

    /// Acknowledges all received messages.
    pub(super) fn acknowledge(&self) {
        self.lock().acknowledge();
    }

    pub(super) fn set_acks(&self, acks: Acks) {
        let mut state = self.lock();
        state.acks = acks;
        state.acknowledge();
    }

    /// The connection has ended.
    pub(super) fn ended(&self, end: PageReceived) {
        let mut state = self.lock();
        state.writer = None;
        state.inbox.push_back(end);
        drop(state);
        self.arrived.notify_waiters();
    }

    /// The test has cut the connection.
    pub(super) fn detach(&self) {
        self.lock().writer = None;
    }

    /// Sends a message to the handler, now or on the next connection.
    pub(super) fn send(&self, message: Message) {
        let mut state = self.lock();
        state.unseen.push_back((0, message));
        state.flush_new();
    }

    /// Sends a message of the protocol, if there is a connection.
    pub(super) fn write(&self, message: &FromPage) {
        if let Some(writer) = &self.lock().writer {
            writer.write(message);
        }
    }

    pub(super) fn unseen(&self) -> usize {
        self.lock().unseen.len()
    }

    pub(super) fn take_unconfirmed(&self) -> Vec<Message> {
        std::mem::take(&mut self.lock().unconfirmed)
    }

    /// Takes the next event of the page.
    pub(super) fn take(&self) -> Option<PageReceived> {
        let mut state = self.lock();
        let next = state.inbox.pop_front();
        if let (None, Some(broken)) = (&next, &state.broken) {
            let broken = broken.clone();
            drop(state);
            panic!("the server broke the page protocol: {broken}");
        }
        next
    }

    /// Takes the answer to this request, if it has arrived.
    pub(super) fn take_answer(&self, id: CallId) -> Option<String> {
        #[derive(Deserialize)]
        struct Answered {
            answer: CallId,
        }

        let mut state = self.lock();
        let at = state.inbox.iter().position(|received| match received {
            PageReceived::Text(text) => {
                serde_json::from_str(text).is_ok_and(|it: Answered| it.answer == id)
            }
            _ => false,
        })?;
        match state.inbox.remove(at) {
            Some(PageReceived::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The unread events of the page.
    pub(super) fn waiting(&self) -> Vec<PageReceived> {
        self.lock().inbox.iter().cloned().collect()
    }
}

impl ScriptState {
    /// The parameter `at`.
    fn places(&self) -> String {
        let places: Vec<_> = self.at.values().map(String::as_str).collect();
        places.join("-")
    }

    /// Notes places that the page has reached.
    fn reach(&mut self, places: Option<&str>) {
        for place in places.into_iter().flat_map(|places| places.split('-')) {
            let (lane, _) = place.split_once('.').unwrap_or((place, ""));
            self.at.insert(lane.to_owned(), place.to_owned());
        }
    }

    fn receive(&mut self, text: &str) -> Result<(), String> {
        let message = parse(text)?;
        let place = match &message {
            ToPage::Event { at, .. } => at.clone(),
            _ => None,
        };
        let message = match numbered(message) {
            Ok((offset, _)) if offset <= self.offset => return Ok(()),
            Ok((offset, _)) if offset > self.offset + 1 => {
                return Err(format!("offset {offset} follows {}", self.offset));
            }
            Ok((offset, received)) => {
                self.offset = offset;
                self.inbox.push_back(received);
                self.reach(place.as_deref());
                return Ok(());
            }
            Err(other) => other,
        };
        match message {
            ToPage::Reset { why, offset } => {
                (self.offset, self.acked) = (offset, offset);
                if why != Gap::Restart || !self.has_new_base {
                    self.base = None;
                }
                self.inbox.push_back(PageReceived::Reset(why.into()));
            }
            ToPage::Seen { id } => self.seen(id),
            ToPage::Pong { at, .. } => self.reach(at.as_deref()),
            ToPage::Base { base } => {
                self.base = base;
                self.at.clear();
            }
            ToPage::Renewed => self.inbox.push_back(PageReceived::Renewed),
            ToPage::Welcome { .. } => return Err("a second welcome".to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Drops the messages that the server has seen. An unsent message has no id yet.
    fn seen(&mut self, last: u64) {
        self.unseen.retain(|(id, _)| *id == 0 || *id > last);
    }

    /// Sends all messages that the server has not seen.
    fn flush(&mut self) {
        let sent = self.unseen.iter().filter(|(id, _)| *id > 0);
        for (id, message) in sent {
            if let Some(writer) = &self.writer {
                writer.write(&FromPage::Message(*id, message.clone()));
            }
        }
        self.flush_new();
    }

    /// Sends the unsent messages.
    fn flush_new(&mut self) {
        let Some(writer) = &self.writer else { return };
        for (id, message) in self.unseen.iter_mut().filter(|(id, _)| *id == 0) {
            self.last_id += 1;
            *id = self.last_id;
            writer.write(&FromPage::Message(*id, message.clone()));
        }
    }

    fn due(&mut self) -> Due {
        if self.offset - self.acked >= ACK_EVERY {
            self.acknowledge();
        }
        if self.acks == Acks::Automatic && self.acked < self.offset {
            Due::Later
        } else {
            Due::Nothing
        }
    }

    fn acknowledge(&mut self) {
        let Some(writer) = self
            .writer
            .as_ref()
            .filter(|_| self.acks == Acks::Automatic)
        else {
            return;
        };
        if self.acked < self.offset {
            self.acked = self.offset;
            writer.write(&FromPage::Ack(self.acked));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testkit::pipe::ROOM;

    fn welcome(script: &Script, epoch: &str, seen: u64) {
        let text = json!({"type": "welcome", "epoch": epoch, "offset": 0, "seen": seen});
        script.welcome(&text.to_string(), PipeWriter::new(Pipe::new(ROOM, true)));
    }

    #[test]
    fn unseen_messages_are_not_sent_again_in_a_new_epoch() {
        let script = Script::new(Some("one".to_owned()), None);
        welcome(&script, "one", 0);
        for text in ["a", "b", "c"] {
            script.send(Message::text(text));
        }
        script.receive(r#"{"type":"seen","id":1}"#);
        script.detach();
        script.send(Message::text("d"));
        assert_eq!(script.unseen(), 3);
        // In the same epoch, the server has seen one more.
        welcome(&script, "one", 2);
        assert_eq!(script.unseen(), 2);
        script.detach();
        script.send(Message::text("e"));
        welcome(&script, "two", 0);
        let unconfirmed = ["c", "d"].map(Message::text);
        assert_eq!(script.take_unconfirmed(), unconfirmed);
        assert_eq!(script.unseen(), 1);
        script.receive(r#"{"type":"seen","id":1}"#);
        assert_eq!(script.unseen(), 0, "ids begin at 1 again");
    }

    #[test]
    fn received_messages_are_ignored_and_a_gap_is_an_error() {
        let script = Script::new(None, None);
        welcome(&script, "one", 0);
        for _ in 0..2 {
            script.receive(r#"{"type":"text","offset":1,"data":"a","more":[]}"#);
            script.receive(r#"{"type":"unknown"}"#);
        }
        assert_eq!(script.take(), Some(PageReceived::Text("a".to_owned())));
        assert_eq!(script.take(), None);
        script.receive(r#"{"type":"text","offset":3,"data":"c"}"#);
        let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| script.take()));
        let panic = taken.unwrap_err();
        let panic = panic.downcast_ref::<String>().unwrap();
        assert!(
            panic.starts_with("the server broke the page protocol"),
            "{panic}"
        );
    }
}
