//! The notes of a page: a handler that lives as long as the page, whatever becomes of sockets.

use serde::{Deserialize, Serialize};
use ws_server::prelude::*;

/// As many characters has a note.
const LONGEST: usize = 40;

/// As many notes has a page.
const MOST: usize = 20;

/// What the page asks.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    List,
    Add { text: String },
}

/// The answer: all that the page shows of the server's state.
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
    TooLong { most: usize },
    TooMany { most: usize },
}

/// The notes of one page.
pub struct Notes {
    /// Who has logged on. A logon gives the page another handler, which begins without notes.
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
        id.answer(self.obey(command))
    }
}

impl Notes {
    fn obey(&mut self, command: Command) -> Result<Reply, Error> {
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
        if text.chars().count() > LONGEST {
            return Err(Error::TooLong { most: LONGEST });
        }
        if self.notes.len() >= MOST {
            return Err(Error::TooMany { most: MOST });
        }
        self.notes.push(text.to_owned());
        Ok(())
    }
}
