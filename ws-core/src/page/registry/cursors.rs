//! Opens the cursors that pages report.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::Pages;
use crate::log::{Cursor, InvalidCursor};
use crate::page::base::{InvalidBase, MAX_CURSOR_TEXT};
use crate::page::stream::ReportedCursor;
use crate::session::SessionGeneration;
use crate::wire::parse_places;

/// The most lanes that a cursor may have.
const MAX_PLACES: usize = 256;

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
                    is_empty: at.is_empty(),
                },
                cursor: Arc::new(cursor),
            })),
            Err(InvalidCursor::Impossible) => Err(RefusedCursor),
            Err(InvalidCursor::Behind | InvalidCursor::OtherGeneration) => Ok(None),
        }
    }
}
