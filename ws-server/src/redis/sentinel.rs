//! Asks sentinels for the address of the primary.

use std::collections::HashMap;
use std::time::Duration;

use ::redis::{AsyncConnectionConfig, Client, ConnectionInfo};
use futures::future::join_all;
use tokio::time::timeout;

use super::RedisError;
use super::address::{Sentinels, with_host};

/// How long a sentinel may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a sentinel knows of the primary.
struct Answer {
    host: String,
    port: u16,
    /// The number of the failover that made this server the primary.
    epoch: u64,
}

/// Asks all sentinels, and returns how to connect to the primary that the latest failover made: a
/// sentinel that was separated from the others names the one before.
///
/// # Errors
///
/// [`RedisError::UnknownPrimary`] if all that answer do not know the name, else the error of a
/// sentinel.
pub(super) async fn primary(of: &Sentinels) -> Result<ConnectionInfo, RedisError> {
    let asked = of.all.iter().map(|sentinel| ask(of, sentinel));
    let (mut latest, mut failed) = (None::<Answer>, None);
    for answer in join_all(asked).await {
        match answer {
            Ok(answer) if latest.as_ref().is_some_and(|it| it.epoch >= answer.epoch) => {}
            Ok(answer) => latest = Some(answer),
            // One that answers with an error says more than one that does not answer.
            Err(error) if failed.is_none() || error.is_permanent() => failed = Some(error),
            Err(_) => {}
        }
    }
    if let Some(Answer { host, port, .. }) = latest {
        return Ok(with_host(&of.primary, &host, port));
    }
    Err(failed.unwrap_or(RedisError::Url))
}

async fn ask(of: &Sentinels, sentinel: &ConnectionInfo) -> Result<Answer, RedisError> {
    let address = sentinel.addr().to_string();
    let answer = timeout(PATIENCE, ask_for_name(of, sentinel, &address)).await;
    answer.unwrap_or_else(|_| Err(RedisError::timed_out(&address)))
}

async fn ask_for_name(
    of: &Sentinels,
    sentinel: &ConnectionInfo,
    address: &str,
) -> Result<Answer, RedisError> {
    let failed = |error| match RedisError::of_connecting(&error, address) {
        // The only command has no other error.
        RedisError::Refused { code, .. } if code == "ERR" => RedisError::UnknownPrimary {
            address: address.to_owned(),
            name: of.name.clone(),
        },
        error => error,
    };
    let client = Client::open(sentinel.clone()).map_err(failed)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = connection.await.map_err(failed)?;
    let mut command = ::redis::cmd("SENTINEL");
    command.arg("MASTER").arg(&of.name);
    let answer = command.query_async(&mut connection).await;
    let fields: HashMap<String, String> = answer.map_err(failed)?;
    answer_of(&fields).ok_or_else(|| RedisError::Answer {
        address: address.to_owned(),
        command: "SENTINEL MASTER",
    })
}

fn answer_of(fields: &HashMap<String, String>) -> Option<Answer> {
    Some(Answer {
        host: fields.get("ip")?.clone(),
        port: fields.get("port")?.parse().ok()?,
        epoch: fields.get("config-epoch")?.parse().ok()?,
    })
}
