//! Handles the messages of a page.

use super::{Link, PageStream};
use crate::close::{Close, CloseCode};
use crate::decode::{DecodeError, Payload};
use crate::extract::Context;
use crate::handler::{HookCall, Step, guard};
use crate::message::Message;
use crate::page::{Accepted, PageMessage, PageSocket, PongSent};
use crate::reply::{IntoReply, Reply};
use crate::wire::{FromPage, Push, ToPage, json};

/// Handles a message from a page's socket.
pub(super) fn receive(call: HookCall<'_, PageStream>, payload: &Payload<'_>) -> Step<PageStream> {
    let text = match payload.text() {
        Ok(text) => text,
        Err(error) => return call.undecodable(error),
    };
    let Ok(message) = FromPage::parse(text) else {
        let error = DecodeError::malformed("not a message of the page protocol");
        return call.undecodable(error);
    };
    match message {
        FromPage::Ack(offset) => call.run(|this, _| this.link.ack(offset)),
        FromPage::Ping => call.run(|this, _| this.link.pong()),
        FromPage::Bye => call.run(|this, _| {
            this.link.bye = true;
            Close::NORMAL.into_reply()
        }),
        FromPage::Message(id, message) => handle_message(call, id, message),
    }
}

/// Handles a message of the page. If the application is still handling a message from an earlier
/// socket of the page, the task waits, without blocking its thread.
fn handle_message(call: HookCall<'_, PageStream>, id: u64, message: Message) -> Step<PageStream> {
    let Some(PageStream { link }) = call.handler() else {
        return Step::Done(Ok(Reply::NONE));
    };
    let stream = link.stream.clone();
    if let Ok(_handling) = stream.handling.try_lock() {
        return call.run(|this, context| this.link.accept_message(context, id, &message));
    }
    let mut owned_call = call.into_owned();
    Step::pending(async move {
        let (this, context) = owned_call.parts();
        let outcome = guard(context, async {
            let _handling = this.link.stream.handling.lock().await;
            this.link.accept_message(context, id, &message)
        });
        let outcome = outcome.await;
        owned_call.finish(outcome)
    })
}

/// Continues with the page's queue after the socket has accepted all waiting frames. Each call
/// handles one step, and waits for at most half of `hook_timeout`: `stall` limits how slow a client
/// may be, also if it is longer.
pub(super) fn wait_for_capacity(call: HookCall<'_, PageStream>) -> Step<PageStream> {
    let mut owned_call = call.into_owned();
    Step::pending(async move {
        let (this, context) = owned_call.parts();
        let shared = context.socket.shared().clone();
        let outcome = guard(context, async {
            let room = shared.outbox().changed().notified();
            tokio::pin!(room);
            // Registered before the check, so that no notification is missed in between.
            room.as_mut().enable();
            // An empty outbox has room for a message of any size.
            let is_empty = || shared.outbox().has_room(usize::MAX, 0);
            if !is_empty() {
                let limit = context.endpoint.limits().hook_timeout / 2;
                let _ = tokio::time::timeout(limit, room).await;
            }
            if is_empty() {
                let Link { stream, socket, .. } = &this.link;
                this.link.page.pages().resume_sending(stream, *socket);
            } else {
                shared.notify_when_writable();
            }
            Reply::NONE
        });
        let outcome = outcome.await;
        owned_call.finish(outcome)
    })
}

impl Link {
    /// Answers a ping: behind all messages that are on their way, or if they leave no room, at once.
    fn pong(&self) -> Reply {
        match self.page.pages().pong(&self.stream, self.socket) {
            PongSent::Yes => Reply::NONE,
            PongSent::No => {
                let (at, spread) = (None, self.page.spread());
                json(&ToPage::Pong { at, spread }).into_reply()
            }
        }
    }

    fn ack(&self, offset: u64) -> Reply {
        let pages = self.page.pages();
        match pages.ack(&self.stream, self.socket, offset) {
            Ok(()) => Reply::NONE,
            Err(_) => Close::policy("`ack` of an offset that was never sent").into_reply(),
        }
    }

    /// Accepts a message of the page. Does not wait for the page's handler, which may itself wait
    /// for an acknowledgement that follows the message.
    fn accept_message(&self, context: &Context<PageStream>, id: u64, message: &Message) -> Reply {
        if message.len() > self.max_payload {
            return Close::new(CloseCode::TOO_BIG, "message too big").into_reply();
        }
        let hub = context.hub();
        let application = || hub.page_message_handler();
        match self.stream.accept(self.socket, id, message, application) {
            Accepted::New(function) => {
                let sent =
                    PageMessage::new(self.page.clone(), self.session.clone(), message.clone());
                self.finish_message(id, function(&sent, hub))
            }
            Accepted::Refused => {
                let text = "this server does not accept messages of pages";
                Reply::undecodable(Close::new(CloseCode::UNSUPPORTED_DATA, text))
            }
            Accepted::Duplicate(id) => json(&ToPage::Seen { id }).into_reply(),
            Accepted::Queued | Accepted::Superseded => Reply::NONE,
            Accepted::FeedFull => {
                let text = "the page's handler is too slow";
                Close::new(CloseCode::TRY_AGAIN_LATER, text).into_reply()
            }
            Accepted::OutOfOrder => Close::policy("a message is missing").into_reply(),
        }
    }

    /// Pushes the application's reply to a message to the page's queue.
    fn finish_message(&self, id: u64, reply: Reply) -> Reply {
        let Reply { mut messages, end } = reply;
        while let Some(message) = messages.next() {
            self.stream.push(&match &message {
                Message::Text(text) => Push::text(text),
                Message::Binary(data) => Push::binary(data),
            });
        }
        self.page.pages().relieve();
        let mut reply = json(&ToPage::Seen { id }).into_reply();
        reply.end = end;
        reply
    }
}
