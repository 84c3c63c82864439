//! A handler whose client sends it commands.

use ws_server::prelude::*;
use ws_server::reply::{IntoReply, Reply};

use crate::journal::{Journal, secs};

/// Records every call, and runs the command in a message.
pub(crate) struct Probe {
    journal: Journal,
    /// Counts the calls of `message`.
    calls: usize,
}

#[ws_handler]
impl Probe {
    fn init(journal: Journal) -> Self {
        journal.note("init");
        Probe { journal, calls: 0 }
    }

    async fn message(&mut self, text: String, socket: &Socket<Self>) -> Reply {
        self.calls += 1;
        self.journal.note(format!("message {text}"));
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let reply = match word {
            "say" => rest.to_owned().into_reply(),
            "many" => many(rest).into_reply(),
            "wait" => {
                tokio::time::sleep(secs(rest.parse().expect("seconds"))).await;
                "waited".into_reply()
            }
            "hold" => std::future::pending().await,
            "gone" => {
                socket.closed().await;
                self.journal.note("saw the close");
                Reply::NONE
            }
            "leave" => Close::normal("bye").into_reply(),
            "fail" => Err::<(), _>(Close::policy("no")).into_reply(),
            "calls" => self.calls.to_string().into_reply(),
            "panic" => panic!("on command"),
            other => panic!("no such command: {other}"),
        };
        self.journal.note(format!("done {text}"));
        reply
    }

    fn info(&mut self, text: String) -> Option<String> {
        self.journal.note(format!("info {text}"));
        text.strip_prefix("say ").map(str::to_owned)
    }

    fn terminate(self, reason: CloseReason) {
        let CloseReason {
            cause, code, text, ..
        } = reason;
        let line = format!("terminate {cause:?} {} {text}", code.get());
        self.journal.note(line.trim_end());
    }
}

/// Messages for the command `many COUNT SIZE`. Each begins with its number.
fn many(numbers: &str) -> Vec<String> {
    let (count, size) = numbers.split_once(' ').expect("two numbers");
    let (count, size): (usize, usize) = (count.parse().unwrap(), size.parse().unwrap());
    (0..count).map(|number| numbered(number, size)).collect()
}

/// A text of this size that begins with its number.
pub(crate) fn numbered(number: usize, size: usize) -> String {
    format!("{number:<size$}")
}
