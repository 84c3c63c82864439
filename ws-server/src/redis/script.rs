//! Scripts that Redis executes atomically.

use std::fmt::Write;
use std::sync::OnceLock;

use ::redis::{Cmd, FromRedisValue};
use sha1::{Digest, Sha1};

use super::RedisError;
use super::channel::{Channel, Live, Repeat};

/// A script in Lua.
#[derive(Debug)]
pub(super) struct Script {
    name: &'static str,
    text: &'static str,
    /// The name under which Redis remembers the text.
    hash: OnceLock<String>,
}

impl Script {
    /// A script with this name in errors.
    pub(super) const fn new(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            text,
            hash: OnceLock::new(),
        }
    }

    /// Runs the script on the current connection. `arguments` adds the number of keys, the keys and
    /// the arguments.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        channel: &Channel,
        repeat: Repeat,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, RedisError> {
        let live = channel.live().await?;
        let answer = self.run_on(channel, &live, &arguments).await;
        if repeat == Repeat::Once && matches!(answer, Err(RedisError::Unanswered { .. })) {
            let live = channel.live().await?;
            return self.run_on(channel, &live, &arguments).await;
        }
        answer
    }

    /// Runs the script on this connection. A server that does not know it yet receives its text.
    pub(super) async fn run_on<T: FromRedisValue>(
        &self,
        channel: &Channel,
        live: &Live,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, RedisError> {
        let mut command = ::redis::cmd("EVALSHA");
        arguments(command.arg(self.hash()));
        let mut answer = channel.send_on(live, &command).await;
        if matches!(&answer, Err(RedisError::Refused { code, .. }) if code == "NOSCRIPT") {
            let mut command = ::redis::cmd("EVAL");
            arguments(command.arg(self.text));
            answer = channel.send_on(live, &command).await;
        }
        channel.convert(answer?, self.name)
    }

    fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let mut text = String::new();
            for byte in Sha1::digest(self.text) {
                let _ = write!(text, "{byte:02x}");
            }
            text
        })
    }
}
