//! The limits of HTTP/2.

use super::{KIB, LimitError, MIB, check_nonzero};

limits_struct! {
    /// Limits of one HTTP/2 connection; [`ServerLimits::head`](super::ServerLimits::head) bounds the
    /// headers of a request, and past it the response is 431.
    ///
    /// Other limits are fixed: a client that sends too many frames that change nothing, such as
    /// CONTINUATION, empty DATA or SETTINGS, is disconnected with `ENHANCE_YOUR_CALM`. Small DATA
    /// frames count too while the application has not read them: see `connection_window`.
    ///
    /// ```
    /// use ws_server::limits::{Http2Limits, ServerLimits};
    ///
    /// let limits = ServerLimits::DEFAULT.http2(Http2Limits::DEFAULT.streams(32));
    /// assert_eq!(limits.http2.streams, 32);
    /// ```
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Http2Limits {
        /// Streams at the same time; further ones are refused with `REFUSED_STREAM`. Default: 100.
        pub streams: usize,
        /// Bytes that a client may send on one stream before the application has read them.
        /// Default: 64 KiB.
        pub stream_window: usize,
        /// Bytes that a client may send on all streams together before the application has read
        /// them. Default: 5 MiB.
        ///
        /// A DATA frame of less than 256 bytes costs the rest of 256 bytes until it is read, and half of
        /// this window pays for them: past it the connection is closed with `ENHANCE_YOUR_CALM`. So the
        /// default allows the smallest messages to fill one stream.
        pub connection_window: usize,
        /// Bytes of one response that wait for the client. Default: 64 KiB.
        pub send_buffer: usize,
        /// Streams that the client has reset before the server has looked at them; past it the
        /// connection is closed with `ENHANCE_YOUR_CALM`. Default: 20.
        pub pending_resets: usize,
        /// Streams that the server has reset because of errors of the client; past it the
        /// connection is closed with `ENHANCE_YOUR_CALM`. Default: 100.
        pub error_resets: usize,
    }
}

/// The minimum of `connection_window`: the window with which every connection begins (RFC 9113,
/// section 6.9.2).
const MIN_CONNECTION_WINDOW: usize = 65_535;

impl Http2Limits {
    /// The defaults of the library.
    pub const DEFAULT: Self = Self {
        streams: 100,
        stream_window: 64 * KIB,
        connection_window: 5 * MIB,
        send_buffer: 64 * KIB,
        pending_resets: 20,
        error_resets: 100,
    };

    pub(super) fn check(&self) -> Result<(), LimitError> {
        check_nonzero(&[
            ("streams", self.streams == 0),
            ("stream_window", self.stream_window == 0),
            ("send_buffer", self.send_buffer == 0),
            ("pending_resets", self.pending_resets == 0),
            ("error_resets", self.error_resets == 0),
        ])?;
        if self.connection_window < MIN_CONNECTION_WINDOW {
            return Err(LimitError::TooSmall {
                name: "connection_window",
                value: self.connection_window,
                minimum: MIN_CONNECTION_WINDOW,
            });
        }
        Ok(())
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_http2_have_their_defaults_and_are_checked() {
        let limits = Http2Limits::DEFAULT;
        assert_eq!((limits.streams, limits.pending_resets), (100, 20));
        assert_eq!((limits.error_resets, limits.send_buffer), (100, 65_536));
        assert_eq!(
            (limits.stream_window, limits.connection_window),
            (65_536, 5_242_880)
        );
        assert_eq!(limits.check(), Ok(()));
        let error = limits.connection_window(65_534).check().unwrap_err();
        assert!(error.to_string().contains("connection_window"), "{error}");
        let error = limits.streams(0).check().unwrap_err();
        assert_eq!(error, LimitError::Zero { name: "streams" });
    }
}
