//! The span of a running hook, between the polls of its connection.

use tracing::Span;

use super::ConnectionShared;

impl ConnectionShared {
    /// Keeps the span of a hook that waits.
    pub(crate) fn keep_hook_span(&self, span: Span) {
        self.lock().optional().hook_span = Some(span);
    }

    /// Takes the span of the hook that waits, if it has one.
    pub(crate) fn take_hook_span(&self) -> Option<Span> {
        let mut lifecycle = self.lock();
        lifecycle.optional.as_mut()?.hook_span.take()
    }
}
