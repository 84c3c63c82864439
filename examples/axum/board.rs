//! The notes, and the handler of a page that shows them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use ws_server::prelude::*;

/// The longest note, in characters.
const MAX_LENGTH: usize = 100;

/// The number of notes that are kept: the oldest is removed first.
const MAX_NOTES: usize = 50;

/// One note.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) user: String,
    pub(crate) text: String,
}

/// Why a note was not added.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum NoteError {
    Guest,
    Empty,
    TooLong { max: usize },
}

impl NoteError {
    /// The error as a text.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Guest => "log on first",
            Self::Empty => "a note has at least one character",
            Self::TooLong { .. } => "the note is too long",
        }
    }
}

/// All notes, the oldest first. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<Mutex<Vec<Note>>>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, Vec<Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Note> {
        self.lock().clone()
    }

    /// Adds a note, and publishes it to every page.
    pub(crate) fn add(&self, user: &str, text: &str, hub: &Hub) -> Result<(), NoteError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NoteError::Empty);
        }
        if text.chars().count() > MAX_LENGTH {
            return Err(NoteError::TooLong { max: MAX_LENGTH });
        }
        let note = Note {
            user: user.to_owned(),
            text: text.to_owned(),
        };
        let mut notes = self.lock();
        if notes.len() >= MAX_NOTES {
            notes.remove(0);
        }
        notes.push(note.clone());
        // Under the lock: all pages get the notes in this order.
        hub.broadcast("note", &note);
        Ok(())
    }
}

/// A request of the page.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    List,
    Add { text: String },
}

/// The handler of one page, over all of its connections.
pub(crate) struct BoardPage {
    board: Board,
    user: Option<String>,
}

#[ws_handler]
impl BoardPage {
    fn init(State(board): State<Board>, session: Session) -> Self {
        let user = session.user().map(str::to_owned);
        BoardPage { board, user }
    }

    fn message(
        &mut self,
        Json(call): Json<Call<Command>>,
        hub: &Hub,
    ) -> Answer<Vec<Note>, NoteError> {
        let (id, command) = call.split();
        id.answer(self.handle(command, hub))
    }
}

impl BoardPage {
    /// Returns all notes if the page must load them.
    fn handle(&self, command: Command, hub: &Hub) -> Result<Vec<Note>, NoteError> {
        match command {
            Command::List => Ok(self.board.all()),
            Command::Add { text } => {
                let user = self.user.as_deref().ok_or(NoteError::Guest)?;
                self.board.add(user, &text, hub)?;
                Ok(Vec::new())
            }
        }
    }
}
