//! The questions of this server for pages that other servers may have.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::log;

/// How long a handshake waits for the server that has its page. A server that answers later keeps
/// the page all the same, if its handler was started with other credentials.
const MAX_ANSWER: Duration = Duration::from_millis(500);

/// The questions that wait for an answer. Each belongs to a handshake.
#[derive(Default)]
pub(super) struct Questions(Mutex<HashMap<u64, oneshot::Sender<bool>>>);

/// A question that was not answered yet.
pub(super) struct Question<'q> {
    questions: &'q Questions,
    pub(super) number: u64,
    answer: oneshot::Receiver<bool>,
}

impl Questions {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a question.
    pub(super) fn begin(&self) -> Question<'_> {
        let (sender, answer) = oneshot::channel();
        let number = log::random_number();
        self.lock().insert(number, sender);
        Question {
            questions: self,
            number,
            answer,
        }
    }

    /// The server that has the page has answered.
    pub(super) fn answer(&self, number: u64, is_kept: bool) {
        let sender = self.lock().remove(&number);
        if let Some(sender) = sender {
            // Without a receiver the handshake is over.
            let _ = sender.send(is_kept);
        }
    }
}

impl Question<'_> {
    /// Whether another server keeps the page. No answer means that no server has it.
    pub(super) async fn is_kept(&mut self) -> bool {
        let answer = timeout(MAX_ANSWER, &mut self.answer).await;
        matches!(answer, Ok(Ok(true)))
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.questions.lock().remove(&self.number);
    }
}
