//! Opens the stream of a page, for a rendering or for a socket.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Pages, TooMany};
use crate::address::ClientNetwork;
use crate::close::Close;
use crate::limits::deadline_after;
use crate::page::base::BaseCursor;
use crate::page::stream::{AttachError, AttachRequest, BaseDue, Stream, StreamOrigin};
use crate::session::{Session, SessionError};

impl Pages {
    /// The stream of this page of this session. If the page has none, a new one begins, for a
    /// client of this address.
    pub(crate) fn open(
        &self,
        id: &Arc<str>,
        session: &Session,
        address: Option<IpAddr>,
    ) -> Result<Arc<Stream>, OpenError> {
        self.open_at(id, session, address.map(ClientNetwork::of), None)
    }

    /// Same as [`open`](Self::open), for a socket. If the socket may not attach to the stream,
    /// nothing changes.
    pub(crate) fn open_for(
        &self,
        id: &Arc<str>,
        session: &Session,
        address: Option<IpAddr>,
        request: AttachRequest,
    ) -> Result<Arc<Stream>, OpenError> {
        self.open_at(id, session, address.map(ClientNetwork::of), Some(request))
    }

    pub(super) fn open_at(
        &self,
        id: &Arc<str>,
        session: &Session,
        address: Option<ClientNetwork>,
        request: Option<AttachRequest>,
    ) -> Result<Arc<Stream>, OpenError> {
        let mut origin = self.origin(request.is_none());
        let mut index = self.index();
        let found = index.pages.get(id).filter(|stream| !stream.has_ended());
        if let Some(stream) = found.cloned() {
            if let Some(request) = request {
                stream.check_or_replace(session, request)?;
            }
            let evicted = index.add_address(&stream, address, self.limits.per_address)?;
            drop(index);
            self.end_all(&evicted);
            return Ok(stream);
        }
        origin.predecessor = self.ended.take(id);
        let stream = Stream::new(
            id.clone(),
            session.clone(),
            self.limits,
            &self.queued,
            origin,
        );
        let stream = Arc::new(stream?);
        let evicted = index.evict_for(session, address, &self.limits)?;
        if let Some(gone) = index.pages.insert(id.clone(), stream.clone()) {
            index.forget(&gone);
        }
        index.add_to_session(&stream, session);
        if stream.is_anonymous() {
            index.anonymous.insert(&stream);
        }
        index.add_address(&stream, address, usize::MAX)?;
        drop(index);
        self.end_all(&evicted);
        if request.is_none() {
            #[cfg(feature = "cluster")]
            stream.own();
            self.join_session_topics(&stream);
            self.join_page_topics(&stream);
        }
        self.watch(&stream, deadline_after(Instant::now(), self.limits.grace));
        Ok(stream)
    }

    /// The beginning of a stream. A rendered page gets its base with its tag, any other from the
    /// stream.
    fn origin(&self, rendered: bool) -> StreamOrigin {
        StreamOrigin {
            number: self.last_stream.fetch_add(1, Ordering::Relaxed) + 1,
            begin: BaseCursor::at(self.topics.heads().to_bytes()),
            base: if rendered {
                BaseDue::Done
            } else {
                BaseDue::Due
            },
            predecessor: None,
            keys: self.base_keys.clone(),
        }
    }

    /// Ends evicted pages.
    fn end_all(&self, evicted: &[Arc<Stream>]) {
        for stream in evicted {
            self.end(stream, &Close::GOING_AWAY);
        }
    }

    /// Keeps a page alive during a handshake for it, until the result is dropped.
    pub(crate) fn hold(&self, stream: &Arc<Stream>) -> HandshakeHold<'_> {
        stream.begin_handshake();
        let stream = stream.clone();
        HandshakeHold {
            pages: self,
            stream,
        }
    }
}

/// A page with a pending handshake.
pub(crate) struct HandshakeHold<'p> {
    pages: &'p Pages,
    stream: Arc<Stream>,
}

impl Drop for HandshakeHold<'_> {
    fn drop(&mut self) {
        self.pages
            .follow_up(&self.stream, self.stream.end_handshake());
    }
}

/// Why a page's stream could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    TooMany(TooMany),
    /// The socket may not attach to the stream.
    Refused(AttachError),
    Session(SessionError),
}

impl From<TooMany> for OpenError {
    fn from(of: TooMany) -> Self {
        Self::TooMany(of)
    }
}

impl From<AttachError> for OpenError {
    fn from(error: AttachError) -> Self {
        Self::Refused(error)
    }
}

impl From<SessionError> for OpenError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
