//! The span of a running hook, between the polls of its connection.

use tracing::Span;
use tracing::level_filters::LevelFilter;

use super::ConnectionShared;

impl ConnectionShared {
    /// Whether a subscriber may want the spans of hooks: one that wants no span of the connection
    /// gets none.
    #[inline]
    pub(crate) fn is_traced(&self) -> bool {
        self.span.is_some() && LevelFilter::current() >= LevelFilter::DEBUG
    }

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
