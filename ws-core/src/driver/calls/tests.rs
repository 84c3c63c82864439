//! Calls of a handler that follows a script.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::super::test_doubles::{Behavior, ScriptedHandler, new_shared};
use super::*;
use crate::limits::Limits;
use crate::protocol::{Incoming, TextData};

fn shared() -> Arc<ConnectionShared> {
    new_shared(Limits::DEFAULT)
}

fn scripted(behavior: Behavior) -> ScriptedHandler {
    ScriptedHandler::new(shared(), behavior)
}

fn call(calls: &mut Calls, handler: &mut ScriptedHandler) -> HookStatus {
    let payload = Payload::new(Incoming::Text(TextData::Borrowed("hi")));
    let mut called = HookStatus::NotCalled;
    calls.handle_message(handler, &shared(), payload, &Instant::now(), &mut called);
    called
}

fn poll(calls: &mut Calls, handler: &mut ScriptedHandler) -> Option<Result<(), Fault>> {
    let cx = &mut TaskContext::from_waker(Waker::noop());
    match calls.poll_hook(handler, &shared(), cx) {
        Poll::Ready(outcome) => Some(outcome.map(drop)),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_hook_that_returns_leaves_the_handler_free() {
    let (mut calls, mut handler) = (Calls::new(), scripted(Behavior::Return));
    assert!(matches!(
        call(&mut calls, &mut handler),
        HookStatus::Done(Ok(_))
    ));
    assert!(calls.is_free());
    assert_eq!(
        (calls.running_since(), calls.remaining),
        (None, CALLS_PER_POLL - 1)
    );
    assert_eq!(poll(&mut calls, &mut handler), None);
    assert_eq!(handler.log, ["message hi"]);
}

#[tokio::test(start_paused = true)]
async fn a_pending_hook_owns_the_handler_until_it_ends() {
    let (mut calls, mut handler) = (Calls::new(), scripted(Behavior::Wait));
    let start = Instant::now();
    assert!(matches!(
        call(&mut calls, &mut handler),
        HookStatus::Pending
    ));
    assert!(!calls.is_free());
    assert_eq!(calls.running_since(), Some(start));
    assert_eq!(poll(&mut calls, &mut handler), None);
    let later = start + Duration::from_secs(9);
    calls.restart(later);
    assert_eq!(calls.running_since(), Some(later));
    handler.behavior = Behavior::Return;
    assert_eq!(poll(&mut calls, &mut handler), Some(Ok(())));
    assert!(calls.is_free());
    assert_eq!(calls.running_since(), None);
}

#[tokio::test]
async fn a_panic_is_a_fault_and_loses_the_handler_if_the_hook_owned_it() {
    for (behavior, free) in [(Behavior::Panic, true), (Behavior::PanicAndLose, false)] {
        let (mut calls, mut handler) = (Calls::new(), scripted(behavior));
        let called = call(&mut calls, &mut handler);
        assert!(
            matches!(called, HookStatus::Done(Err(Fault::Panic))),
            "{behavior:?}"
        );
        assert_eq!(calls.is_free(), free, "{behavior:?}");
        assert_eq!(calls.running_since(), None);
    }
    let (mut calls, mut handler) = (Calls::new(), scripted(Behavior::Wait));
    call(&mut calls, &mut handler);
    handler.behavior = Behavior::Panic;
    assert_eq!(poll(&mut calls, &mut handler), Some(Err(Fault::Panic)));
    assert_eq!(handler.log, ["message hi", "poll", "drop"]);
    assert!(!calls.is_free());
    assert_eq!(calls.running_since(), None);
}

#[tokio::test]
async fn a_hook_that_ignores_its_cancellation_is_dropped() {
    for (behavior, outcome, log) in [
        (
            Behavior::Wait,
            Err(Fault::TimedOut),
            &["message hi", "poll", "drop"][..],
        ),
        (Behavior::Return, Ok(()), &["message hi", "poll"][..]),
    ] {
        let (mut calls, mut handler) = (Calls::new(), scripted(Behavior::Wait));
        call(&mut calls, &mut handler);
        handler.behavior = behavior;
        let cx = &mut TaskContext::from_waker(Waker::noop());
        let polled = calls.cancel_hook(&mut handler, &shared(), cx);
        assert_eq!(
            polled.map(|outcome| outcome.map(drop)),
            Poll::Ready(outcome)
        );
        assert_eq!(handler.log, log);
        assert_eq!(calls.running_since(), None);
        // There is no hook left to cancel.
        assert!(calls.cancel_hook(&mut handler, &shared(), cx).is_pending());
        assert_eq!(handler.log, log);
    }
}

#[tokio::test]
async fn messages_and_notifications_alternate_within_a_limit() {
    let (mut calls, mut handler) = (Calls::new(), scripted(Behavior::Return));
    assert_eq!(calls.priority(), Priority::Message);
    call(&mut calls, &mut handler);
    assert_eq!(calls.priority(), Priority::Notification);
    calls.handle_mail(&mut handler, &shared(), Instant::now());
    assert_eq!(calls.priority(), Priority::Message);
    assert_eq!(handler.log, ["message hi", "info"]);
    assert!(!calls.is_turn_over());
    calls.charge(CALLS_PER_POLL - 2);
    assert!(calls.is_turn_over());
    calls.charge(1);
    calls.begin_turn();
    assert!(!calls.is_turn_over());
}
