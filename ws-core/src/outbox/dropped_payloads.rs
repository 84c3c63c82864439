//! Payloads that leave a queue: replaced, discarded at the end, or written.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::error::log_panic;

/// Payloads that have left a queue. They are dropped only after all locks are released: a `Bytes`
/// may have an owner whose `Drop` is code of the application, which may send or publish.
///
/// Every write of a connection creates one, and nearly all stay empty, so an empty one costs only
/// one comparison.
#[derive(Default)]
pub(crate) struct DroppedPayloads(Payloads);

#[derive(Default)]
enum Payloads {
    #[default]
    None,
    /// The common case if there are any; needs no allocation.
    One(Bytes),
    Many(Vec<Bytes>),
}

impl DroppedPayloads {
    /// Keeps a payload that may have an owner.
    pub(super) fn keep(&mut self, payload: Bytes) {
        self.0 = match mem::take(&mut self.0) {
            Payloads::None => Payloads::One(payload),
            Payloads::One(first) => Payloads::Many(vec![first, payload]),
            Payloads::Many(mut payloads) => {
                payloads.push(payload);
                Payloads::Many(payloads)
            }
        };
    }

    #[cold]
    fn release(&mut self) {
        match mem::take(&mut self.0) {
            Payloads::None => {}
            Payloads::One(payload) => release(payload),
            Payloads::Many(payloads) => payloads.into_iter().for_each(release),
        }
    }
}

impl Drop for DroppedPayloads {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.0, Payloads::None) {
            self.release();
        }
    }
}

/// If an owner panics, the panic must not end the publisher or connection that happens to drop the
/// payload last.
fn release(payload: Bytes) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        log_panic(&*panic);
    }
}
