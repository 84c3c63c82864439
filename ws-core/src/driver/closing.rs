//! The ends of a connection: the server's Close, the client's Close, and the end of the stream.

use crate::close::{Close, CloseCause, CloseCode, CloseReason};
use crate::protocol::TextData;

#[cfg(test)]
mod tests;

/// Records how far each side has ended. The two sides are independent, and either may end first.
///
/// The `handle_*` methods record events; [`next_step`](Self::next_step) returns what to do then.
#[derive(Default)]
pub(super) struct Closing {
    /// The client's Close.
    client: Option<Box<ClientClose>>,
    read_side: ReadSide,
    write_side: WriteSide,
    /// The server closes after the running hook and its reply.
    draining: bool,
}

/// The client's Close, with the answer to it.
struct ClientClose {
    answer: Close,
    reason: CloseReason,
}

/// The state of the client's side of the stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
enum ReadSide {
    #[default]
    Open,
    /// The client has ended its side.
    Ended,
    /// The transport failed.
    Lost,
}

/// The state of the server's side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
enum WriteSide {
    #[default]
    Open,
    /// The server's Close is in the outbox; data from the client is discarded.
    Closing,
    /// The server's side of the stream has ended, or ends when the stream is dropped.
    Ended,
    /// The connection is forced to end: the driver waits for nothing any more.
    Forced,
}

/// The remaining work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RemainingWork {
    /// Frames are queued for the client.
    pub(super) frames: bool,
    /// A reply is queued, or data that was read ahead can still be handled.
    pub(super) work: bool,
    /// The client violated the protocol: its Close will not be decoded.
    pub(super) protocol_error: bool,
}

/// The next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ClosingStep {
    /// The connection is alive, or waits for the client.
    Wait,
    /// End the server's side of the stream.
    EndStream,
    /// The connection is over.
    Over,
}

impl Closing {
    /// Records that the server's Close was queued, by the driver or by another task.
    #[inline]
    pub(super) fn handle_server_close(&mut self) {
        if self.write_side == WriteSide::Open {
            self.write_side = WriteSide::Closing;
        }
    }

    /// Records that the outbox accepts nothing more: the server's Close is in it, unless the stream
    /// is lost. If the stream is lost, received data is still handled.
    #[inline]
    pub(super) fn handle_ending_outbox(&mut self) {
        if self.read_side != ReadSide::Lost {
            self.handle_server_close();
        }
    }

    /// Records that the client's Close has arrived (RFC 6455, section 5.5.1).
    pub(super) fn handle_client_close(&mut self, body: Option<(CloseCode, TextData<'_>)>) {
        let (code, text) = match body {
            Some((code, text)) => (code, text.into_string()),
            None => (CloseCode::NO_STATUS, String::new()),
        };
        self.client = Some(Box::new(ClientClose {
            answer: Close::from(code),
            reason: CloseReason::new(CloseCause::ClientClosed, code, text),
        }));
    }

    /// Records that the client has ended its side of the stream.
    pub(super) fn handle_end_of_stream(&mut self) {
        self.read_side = self.read_side.max(ReadSide::Ended);
    }

    /// Records that the transport has failed. Returns the reason for the end: if a Close arrived
    /// before, its reason counts.
    pub(super) fn handle_loss(&mut self) -> CloseReason {
        self.read_side = ReadSide::Lost;
        let closed = self.client.as_ref();
        closed.map_or_else(connection_lost, |closed| closed.reason.clone())
    }

    /// Records that the server's side of the stream has ended.
    pub(super) fn handle_server_end(&mut self) {
        self.write_side = self.write_side.max(WriteSide::Ended);
    }

    /// Forces the connection to end.
    pub(super) fn force(&mut self) {
        self.write_side = WriteSide::Forced;
    }

    /// Records that the server closes after the running hook and its reply.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether the server closes after the running hook and its reply.
    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    /// The answer to the client's Close and the reason, if the answer is still to be sent.
    pub(super) fn answer(&self) -> Option<(&Close, &CloseReason)> {
        let client = self.client.as_ref().filter(|_| !self.is_server_closing())?;
        Some((&client.answer, &client.reason))
    }

    /// Whether the server's Close was queued, or may not be sent any more: then nothing more is
    /// sent, and no received data is handled.
    #[inline]
    pub(super) fn is_server_closing(&self) -> bool {
        self.write_side != WriteSide::Open
    }

    /// Whether replies can still be sent.
    #[inline]
    pub(super) fn accepts_replies(&self) -> bool {
        !self.is_server_closing() && self.read_side != ReadSide::Lost
    }

    /// Whether the client's Close has arrived.
    #[inline]
    pub(super) fn has_client_closed(&self) -> bool {
        self.client.is_some()
    }

    /// Whether the client can still send something.
    #[inline]
    pub(super) fn can_receive(&self) -> bool {
        self.read_side == ReadSide::Open && self.client.is_none()
    }

    /// Whether the transport failed.
    pub(super) fn is_lost(&self) -> bool {
        self.read_side == ReadSide::Lost
    }

    /// Whether the connection is forced to end.
    pub(super) fn is_forced(&self) -> bool {
        self.write_side == WriteSide::Forced
    }

    /// The next step, while no hook runs.
    pub(super) fn next_step(&self, remaining: RemainingWork) -> ClosingStep {
        let is_over = |over| {
            if over {
                ClosingStep::Over
            } else {
                ClosingStep::Wait
            }
        };
        if self.write_side == WriteSide::Forced {
            return ClosingStep::Over;
        }
        match self.read_side {
            ReadSide::Lost => return is_over(self.is_server_closing() || !remaining.work),
            ReadSide::Ended if !self.is_server_closing() => {
                return is_over(!remaining.work && !remaining.frames);
            }
            ReadSide::Open | ReadSide::Ended => {}
        }
        if !self.is_server_closing() || remaining.frames {
            return ClosingStep::Wait;
        }
        // The server's Close is written. The server closes the stream first (RFC 6455, section
        // 7.1.1).
        if self.write_side == WriteSide::Closing
            && (self.client.is_some() || remaining.protocol_error)
        {
            return ClosingStep::EndStream;
        }
        is_over(self.client.is_some() || self.read_side == ReadSide::Ended)
    }
}

/// The reason if the stream ended without a Close (RFC 6455, section 7.1.5).
pub(super) fn connection_lost() -> CloseReason {
    CloseReason::new(CloseCause::Lost, CloseCode::ABNORMAL, "")
}
