//! Calls of a handler that follows a script.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::*;
use crate::extract::{AnyState, Endpoint, NoState};
use crate::handler::Finish;
use crate::hub::Hub;
use crate::limits::{Limits, ServerLimits};
use crate::protocol::{Incoming, TextData};
use crate::reply::Reply;

/// What a handler does when it is called or polled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    Return,
    Wait,
    Panic,
    /// It panics, and the handler is lost.
    Vanish,
}

struct Script {
    does: Does,
    is_there: bool,
    /// Names of the functions that were called.
    log: Vec<&'static str>,
}

impl Script {
    fn new(does: Does) -> Self {
        Self {
            does,
            is_there: true,
            log: Vec::new(),
        }
    }

    fn act(&mut self, name: &'static str) -> Called {
        self.log.push(name);
        match self.does {
            Does::Return => Called::Done(Ok(Reply::NONE)),
            Does::Wait => {
                self.is_there = false;
                Called::Waits
            }
            Does::Panic => panic!("as the test wants"),
            Does::Vanish => {
                self.is_there = false;
                panic!("as the test wants")
            }
        }
    }
}

impl AnyHandler for Script {
    fn message(&mut self, _: Payload<'_>) -> Called {
        self.act("message")
    }

    fn info(&mut self) -> Called {
        self.act("info")
    }

    fn poll_hook(&mut self, _: &mut TaskContext<'_>) -> Poll<Outcome> {
        match self.act("poll") {
            Called::Done(outcome) => {
                self.is_there = true;
                Poll::Ready(outcome)
            }
            Called::Waits | Called::Nothing => Poll::Pending,
        }
    }

    fn drop_hook(&mut self) {
        self.log.push("drop");
    }

    fn is_there(&self) -> bool {
        self.is_there
    }

    fn terminate(&mut self) -> Finish {
        Finish::Done
    }
}

fn shared() -> Arc<Shared> {
    let hub = Hub::new(ServerLimits::DEFAULT);
    let state = AnyState::new(NoState);
    let endpoint = Endpoint::new("test", "/test", hub.clone(), state, Limits::DEFAULT);
    hub.register(None, endpoint.common().clone(), None, |_| {
        tracing::Span::none()
    })
}

fn call(calls: &mut Calls, handler: &mut Script) -> Called {
    let payload = Payload::new(Incoming::Text(TextData::Borrowed("hi")));
    let mut called = Called::Nothing;
    calls.handle_message(handler, &shared(), payload, Instant::now(), &mut called);
    called
}

fn poll(calls: &mut Calls, handler: &mut Script) -> Option<Result<(), Fault>> {
    let cx = &mut TaskContext::from_waker(Waker::noop());
    match calls.poll_hook(handler, &shared(), cx) {
        Poll::Ready(outcome) => Some(outcome.map(drop)),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_hook_that_returns_leaves_the_handler_free() {
    let (mut calls, mut handler) = (Calls::new(), Script::new(Does::Return));
    assert!(matches!(
        call(&mut calls, &mut handler),
        Called::Done(Ok(_))
    ));
    assert!(calls.is_free());
    assert_eq!(
        (calls.running_since(), calls.left),
        (None, CALLS_PER_POLL - 1)
    );
    assert_eq!(poll(&mut calls, &mut handler), None);
    assert_eq!(handler.log, ["message"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_waits_has_the_handler_until_it_ends() {
    let (mut calls, mut handler) = (Calls::new(), Script::new(Does::Wait));
    let start = Instant::now();
    assert!(matches!(call(&mut calls, &mut handler), Called::Waits));
    assert!(!calls.is_free());
    assert_eq!(calls.running_since(), Some(start));
    assert_eq!(poll(&mut calls, &mut handler), None);
    let later = start + Duration::from_secs(9);
    calls.restart(later);
    assert_eq!(calls.running_since(), Some(later));
    handler.does = Does::Return;
    assert_eq!(poll(&mut calls, &mut handler), Some(Ok(())));
    assert!(calls.is_free());
    assert_eq!(calls.running_since(), None);
}

#[tokio::test]
async fn a_panic_is_a_fault_and_the_handler_lives_unless_the_hook_had_it() {
    for (does, free) in [(Does::Panic, true), (Does::Vanish, false)] {
        let (mut calls, mut handler) = (Calls::new(), Script::new(does));
        let called = call(&mut calls, &mut handler);
        assert!(
            matches!(called, Called::Done(Err(Fault::Panic))),
            "{does:?}"
        );
        assert_eq!(calls.is_free(), free, "{does:?}");
        assert_eq!(calls.running_since(), None);
    }
    let (mut calls, mut handler) = (Calls::new(), Script::new(Does::Wait));
    call(&mut calls, &mut handler);
    handler.does = Does::Panic;
    assert_eq!(poll(&mut calls, &mut handler), Some(Err(Fault::Panic)));
    assert_eq!(handler.log, ["message", "poll", "drop"]);
    assert!(!calls.is_free());
    assert_eq!(calls.running_since(), None);
}

#[tokio::test]
async fn a_hook_that_does_not_heed_the_cut_is_dropped() {
    for (does, outcome, log) in [
        (
            Does::Wait,
            Err(Fault::TimedOut),
            &["message", "poll", "drop"][..],
        ),
        (Does::Return, Ok(()), &["message", "poll"][..]),
    ] {
        let (mut calls, mut handler) = (Calls::new(), Script::new(Does::Wait));
        call(&mut calls, &mut handler);
        handler.does = does;
        let cx = &mut TaskContext::from_waker(Waker::noop());
        let cut = calls.cut(&mut handler, &shared(), cx);
        assert_eq!(cut.map(|outcome| outcome.map(drop)), Poll::Ready(outcome));
        assert_eq!(handler.log, log);
        assert_eq!(calls.running_since(), None);
        // There is nothing left to cut.
        assert!(calls.cut(&mut handler, &shared(), cx).is_pending());
        assert_eq!(handler.log, log);
    }
}

#[tokio::test]
async fn messages_and_notifications_take_turns_within_a_bound() {
    let (mut calls, mut handler) = (Calls::new(), Script::new(Does::Return));
    assert_eq!(calls.first(), First::Message);
    call(&mut calls, &mut handler);
    assert_eq!(calls.first(), First::Mail);
    calls.handle_mail(&mut handler, &shared(), Instant::now());
    assert_eq!(calls.first(), First::Message);
    assert_eq!(handler.log, ["message", "info"]);
    assert!(!calls.is_turn_over());
    calls.charge(CALLS_PER_POLL - 2);
    assert!(calls.is_turn_over());
    calls.charge(1);
    calls.begin_turn();
    assert!(!calls.is_turn_over());
}
