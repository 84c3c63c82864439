//! One connection of a page. A task of its own reads it, as in a browser.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::inbox::PageReceived;
use super::script::{Due, PipeWriter, Script};
use crate::protocol::OpCode;
use crate::testkit::client::{Received, TestClient};
use crate::testkit::pipe::Pipe;

/// The longest delay of a browser's acknowledgement.
const ACK_AFTER: Duration = Duration::from_millis(100);

/// A connection of a page. Dropping it cuts the connection.
pub(super) struct PageConnection {
    script: Arc<Script>,
    pipe: Pipe,
    reader: AbortHandle,
}

impl PageConnection {
    /// Reads `welcome`; a task reads the following messages. Also returns the id of the page, if
    /// that is new.
    pub(super) async fn begin(
        mut client: TestClient,
        script: &Arc<Script>,
    ) -> (Self, Option<String>) {
        let pipe = client.pipe().clone();
        let welcome = client.text().await;
        let fresh = script.welcome(&welcome, PipeWriter::new(pipe.clone()));
        let reader = tokio::spawn(read(client, script.clone())).abort_handle();
        let connection = Self {
            script: script.clone(),
            pipe,
            reader,
        };
        (connection, fresh)
    }
}

impl Drop for PageConnection {
    fn drop(&mut self) {
        self.reader.abort();
        self.script.detach();
        // A connection that has ended needs no reset.
        if !self.reader.is_finished() {
            self.pipe.end(true);
        }
    }
}

async fn read(mut client: TestClient, script: Arc<Script>) {
    let mut ack_at = None;
    loop {
        let received = match ack_at {
            Some(at) => tokio::select! {
                biased;
                received = client.receive() => received,
                () = sleep_until(at) => {
                    script.acknowledge();
                    ack_at = None;
                    continue;
                }
            },
            None => client.receive().await,
        };
        match received {
            Received::Message(message) => {
                let text = message.as_text().unwrap_or_default();
                ack_at = match script.receive(text) {
                    Due::Later => Some(ack_at.unwrap_or_else(|| Instant::now() + ACK_AFTER)),
                    Due::Nothing => None,
                };
            }
            Received::Ping(payload) => client.send_frame(OpCode::Pong, true, &payload).await,
            Received::Pong(_) => {}
            Received::Close(code, text) => {
                client.close(code, "").await;
                client.end().await;
                script.ended(PageReceived::Closed(code, text));
                return;
            }
            Received::End => {
                script.ended(PageReceived::Lost);
                return;
            }
        }
    }
}
