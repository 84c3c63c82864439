//! The notes of a page: a handler that lives as long as the page, over any number of connections.

use serde::{Deserialize, Serialize};
use ws_server::prelude::*;

/// The longest note, in characters.
const MAX_LENGTH: usize = 40;

/// The largest number of notes on a page.
const MAX_NOTES: usize = 20;

/// A request of the page.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    List,
    Add { text: String },
}

/// The answer: the whole state that the page shows.
#[derive(Serialize)]
struct Reply {
    user: Option<String>,
    notes: Vec<String>,
}

/// Why a note was not added.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Error {
    Empty,
    TooLong { max: usize },
    TooMany { max: usize },
}

/// The notes of one page.
pub(crate) struct Notes {
    /// The user who has logged on. A logon gives the page a new handler, which has no notes.
    user: Option<String>,
    notes: Vec<String>,
}

#[ws_handler]
impl Notes {
    fn init(session: Session) -> Self {
        Notes {
            user: session.user().map(str::to_owned),
            notes: Vec::new(),
        }
    }

    fn message(&mut self, Json(call): Json<Call<Command>>) -> Answer<Reply, Error> {
        let (id, command) = call.split();
        id.answer(self.handle(command))
    }
}

impl Notes {
    fn handle(&mut self, command: Command) -> Result<Reply, Error> {
        if let Command::Add { text } = command {
            self.add(text.trim())?;
        }
        Ok(Reply {
            user: self.user.clone(),
            notes: self.notes.clone(),
        })
    }

    fn add(&mut self, text: &str) -> Result<(), Error> {
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if text.chars().count() > MAX_LENGTH {
            return Err(Error::TooLong { max: MAX_LENGTH });
        }
        if self.notes.len() >= MAX_NOTES {
            return Err(Error::TooMany { max: MAX_NOTES });
        }
        self.notes.push(text.to_owned());
        Ok(())
    }
}
