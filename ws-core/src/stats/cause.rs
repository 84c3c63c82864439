//! The names of causes in metrics.

use crate::close::CloseCause;

/// The cause of an end, such as `client_closed`.
pub(super) const fn label(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::ClientClosed => "client_closed",
        CloseCause::ServerClosed => "server_closed",
        CloseCause::Lost => "lost",
        CloseCause::PingTimeout => "ping_timeout",
        CloseCause::IdleTimeout => "idle_timeout",
        CloseCause::Stalled => "stalled",
        CloseCause::Overflow => "overflow",
        CloseCause::Shutdown => "shutdown",
        CloseCause::HookError => "hook_error",
        CloseCause::HookPanic => "hook_panic",
        CloseCause::HookTimeout => "hook_timeout",
        CloseCause::ProtocolError => "protocol_error",
        CloseCause::InvalidPayload => "invalid_payload",
        CloseCause::RateLimit => "rate_limit",
        CloseCause::Expired => "expired",
        CloseCause::UpgradeFailed => "upgrade_failed",
    }
}
