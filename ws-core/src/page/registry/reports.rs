//! Reports from a page's socket: acknowledgements, and free capacity in its outbox.

use std::sync::Arc;

use super::Pages;
use crate::id::ConnectionId;
use crate::page::queue::UnsentOffset;
use crate::page::stream::Stream;

impl Pages {
    /// The page acknowledges everything up to this offset over this socket.
    pub(crate) fn ack(
        &self,
        stream: &Arc<Stream>,
        socket: ConnectionId,
        offset: u64,
    ) -> Result<(), UnsentOffset> {
        let follow_up = stream.ack(socket, offset)?;
        self.follow_up(stream, follow_up);
        Ok(())
    }

    /// The outbox of this socket has room again.
    pub(crate) fn resume_sending(&self, stream: &Arc<Stream>, socket: ConnectionId) {
        self.follow_up(stream, stream.resume_sending(socket));
    }
}
