//! Reports from a page's socket: acknowledgements, and free capacity in its outbox.

use std::sync::Arc;

use super::Pages;
use crate::id::ConnectionId;
use crate::page::queue::FromTheFuture;
use crate::page::stream::Stream;

impl Pages {
    /// The page acknowledges everything up to this offset over this socket.
    pub(crate) fn ack(
        &self,
        stream: &Arc<Stream>,
        socket: ConnectionId,
        offset: u64,
    ) -> Result<(), FromTheFuture> {
        let then = stream.ack(socket, offset)?;
        self.then(stream, then);
        Ok(())
    }

    /// The outbox of this socket has room again.
    pub(crate) fn go_on(&self, stream: &Arc<Stream>, socket: ConnectionId) {
        self.then(stream, stream.go_on(socket));
    }
}
