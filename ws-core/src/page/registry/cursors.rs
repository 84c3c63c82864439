//! Opens the cursors that pages report.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::Pages;
use crate::log::{Cursor, InvalidCursor};
use crate::page::base::{InvalidBase, MAX_CURSOR_TEXT};
use crate::page::stream::{Follows, Origin, Position, ReportedCursor, RestoredBy, Stream};
use crate::session::SessionGeneration;
use crate::wire::parse_places;

/// The most lanes that a cursor may have.
pub(super) const MAX_PLACES: usize = 256;

/// A valid cursor.
#[derive(Clone, Debug)]
pub(crate) struct OpenedCursor {
    pub(crate) reported: ReportedCursor,
    pub(crate) cursor: Arc<Cursor>,
}

/// The text is no cursor, or one of another page, or one of messages that were never published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RefusedCursor;

impl Pages {
    /// The stream with which a valid cursor has begun, if the page can continue from there.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(
            clippy::unused_self,
            reason = "only a log that several servers share needs it"
        )
    )]
    pub(in crate::page) fn came_from(
        &self,
        stream: &Stream,
        cursor: &ReportedCursor,
        position: Option<Position>,
        by: RestoredBy,
    ) -> Option<Origin> {
        if stream.has_stamp(cursor.stamp) {
            return Some(Origin::Same);
        }
        match stream.follows(cursor.stamp, position) {
            Follows::Completely(place) => return Some(Origin::of_ended(place)),
            Follows::WithLoss => return None,
            Follows::No => {}
        }
        #[cfg(feature = "cluster")]
        if by == RestoredBy::Session && self.comes_from_elsewhere(stream, cursor) {
            return Some(Origin::Elsewhere);
        }
        #[cfg(not(feature = "cluster"))]
        let _ = by;
        None
    }

    /// Begins a stream with the pushes behind a cursor, if a log that several servers share has
    /// them. Returns whether none is missing.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(
            clippy::unused_self,
            reason = "only a log that several servers share needs it"
        )
    )]
    pub(in crate::page) fn begin_behind(
        &self,
        stream: &Arc<Stream>,
        origin: Origin,
        reported: &ReportedCursor,
        cursor: &Cursor,
    ) -> bool {
        if origin == Origin::Same || stream.has_continued(reported) {
            return true;
        }
        #[cfg(feature = "cluster")]
        if let Some(shared) = self.topics.shared() {
            return self.queue_pushes_behind(shared, stream, cursor).is_ok();
        }
        #[cfg(not(feature = "cluster"))]
        let _ = cursor;
        true
    }

    /// The ends of the lanes, if the subscribers have received everything up to there.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(
            clippy::unnecessary_wraps,
            reason = "only a log that several servers share needs it"
        )
    )]
    pub(in crate::page) fn places(&self) -> Option<String> {
        #[cfg(feature = "cluster")]
        if self.is_shared() {
            return self.shared_places().map(|heads| heads.to_places());
        }
        Some(self.topics.heads().to_places())
    }

    /// Gives a page the places that it has reached, if it has received all topics meanwhile. Called
    /// without any lock.
    pub(in crate::page) fn settle_places(&self, stream: &Stream) {
        if stream.needs_places()
            && let Some(places) = self.places()
        {
            stream.set_places(places);
        }
    }

    /// Opens the cursor of a page of this session. Returns `None` if it is of an earlier process or
    /// session, begins before its base, or if the log has no cursors: then the page gets a reset.
    pub(in crate::page) fn open_cursor(
        &self,
        page: &str,
        session: SessionGeneration,
        base: &str,
        places: &str,
    ) -> Result<Option<OpenedCursor>, RefusedCursor> {
        let at = Some(places).filter(|it| it.len() <= MAX_CURSOR_TEXT);
        let at = at.and_then(|it| parse_places(it, MAX_PLACES).ok());
        let at = at.ok_or(RefusedCursor)?;
        let base = match self.base_keys.open(base, page, session.id) {
            Ok(base) => base,
            Err(InvalidBase::Unknown) => return Ok(None),
            Err(InvalidBase::Refused) => return Err(RefusedCursor),
        };
        // After a logon the page gets nothing from before it.
        if base.stamp.session != session {
            return Ok(None);
        }
        if !self.topics.has_cursors() {
            return Ok(None);
        }
        match base.cursor.advance(&at, &self.topics.heads()) {
            Ok(cursor) => Ok(Some(OpenedCursor {
                reported: ReportedCursor {
                    stamp: base.stamp,
                    places: BuildHasherDefault::<DefaultHasher>::default().hash_one(places),
                    is_empty: at.is_empty() && !base.is_continued,
                },
                cursor: Arc::new(cursor),
            })),
            Err(InvalidCursor::Impossible) => Err(RefusedCursor),
            // Another node may have read more: see `reach`.
            #[cfg(feature = "cluster")]
            Err(InvalidCursor::Ahead) if self.is_shared() => Ok(None),
            Err(InvalidCursor::Ahead) => Err(RefusedCursor),
            Err(InvalidCursor::Behind | InvalidCursor::OtherGeneration) => Ok(None),
        }
    }
}
