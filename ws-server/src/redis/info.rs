//! The properties of a server that the command `INFO` reports.

use std::collections::HashMap;

use ws_core::log::shared::EngineMemory;

use super::RedisError;

/// The earliest major version that is supported.
const MIN_VERSION: u32 = 7;

/// Identifies a server and the uninterrupted memory behind it.
///
/// The id of a process alone is not enough: a primary that is demoted and promoted again loses
/// writes, but keeps its `run_id`. Its replication id changes then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ServerId {
    pub(super) run: String,
    pub(super) replication: String,
}

/// Whether a server is to be a node of a Redis Cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Alone,
    Cluster,
}

/// Checks that a server can be used, and returns its id and its memory. `text` is the reply to `INFO`.
///
/// # Errors
///
/// [`RedisError::Version`], [`RedisError::Replica`], [`RedisError::Cluster`],
/// [`RedisError::NoCluster`], [`RedisError::Eviction`] or [`RedisError::Answer`].
pub(super) fn check(
    text: &str,
    address: &str,
    mode: Mode,
) -> Result<(ServerId, EngineMemory), RedisError> {
    let fields: HashMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect();
    let address = || address.to_owned();
    let field = |name| {
        let value = fields.get(name).map(|value| (*value).to_owned());
        value.ok_or_else(|| RedisError::Answer {
            address: address(),
            command: "INFO",
        })
    };
    let version = field("redis_version")?;
    let major = version.split('.').next().and_then(|it| it.parse().ok());
    if major.is_none_or(|major: u32| major < MIN_VERSION) {
        return Err(RedisError::Version {
            address: address(),
            version,
        });
    }
    if field("role")? != "master" {
        return Err(RedisError::Replica { address: address() });
    }
    match (mode, fields.get("cluster_enabled") == Some(&"1")) {
        (Mode::Alone, true) => return Err(RedisError::Cluster { address: address() }),
        (Mode::Cluster, false) => return Err(RedisError::NoCluster { address: address() }),
        _ => {}
    }
    let policy = field("maxmemory_policy")?;
    if policy != "noeviction" {
        return Err(RedisError::Eviction {
            address: address(),
            policy,
        });
    }
    let id = ServerId {
        run: field("run_id")?,
        replication: field("master_replid")?,
    };
    Ok((id, memory(text)))
}

/// The memory of a server. `text` is a reply to `INFO`.
pub(super) fn memory(text: &str) -> EngineMemory {
    let field = |name| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim_end().parse().ok())
    };
    EngineMemory {
        used: field("used_memory:").unwrap_or_default(),
        limit: field("maxmemory:").filter(|limit| *limit > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:b1\r\n\r\n# Replication\r\n\
        role:master\r\nmaster_replid:c2\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n\
        # Cluster\r\ncluster_enabled:0\r\n";

    fn error(text: &str) -> String {
        let error = check(text, "redis:6379", Mode::Alone).unwrap_err();
        error.to_string()
    }

    #[test]
    fn a_suitable_server_is_identified_by_process_and_replication() {
        let check = |text: &str| check(text, "redis:6379", Mode::Alone);
        let (id, _) = check(INFO).unwrap();
        assert_eq!((&*id.run, &*id.replication), ("b1", "c2"));
        let (promoted, _) = check(&INFO.replace("c2", "d3")).unwrap();
        assert_ne!(promoted, id);
    }

    #[test]
    fn the_memory_has_no_limit_if_it_is_zero() {
        let memory = |limit| memory(&format!("used_memory:7\r\nmaxmemory:{limit}\r\n"));
        let (used, limit) = (7, Some(64));
        assert_eq!(memory(64), EngineMemory { used, limit });
        assert_eq!(memory(0), EngineMemory { used, limit: None });
    }

    #[test]
    fn an_unsuitable_server_is_named_with_its_reason() {
        let policy = error(&INFO.replace("noeviction", "allkeys-lru"));
        let expected = "Redis at redis:6379 has `maxmemory-policy allkeys-lru`, which deletes data \
            silently; set it to `noeviction`";
        assert_eq!(policy, expected);
        let role = error(&INFO.replace("role:master", "role:slave"));
        assert_eq!(
            role,
            "Redis at redis:6379 is a replica; connect to the primary"
        );
        let version = error(&INFO.replace("7.0.15", "6.2.14"));
        let expected = "Redis at redis:6379 has version 6.2.14; use 7.0 or later";
        assert_eq!(version, expected);
        let node = INFO.replace("cluster_enabled:0", "cluster_enabled:1");
        let expected = "Redis at redis:6379 is a node of a Redis Cluster; write its URL as in \
            `redis-cluster://10.0.0.5,10.0.0.6`";
        assert_eq!(error(&node), expected);
        assert!(check(&node, "redis:6379", Mode::Cluster).is_ok());
        let alone = check(INFO, "redis:6379", Mode::Cluster).unwrap_err();
        let expected = "Redis at redis:6379 is not a node of a Redis Cluster; write its URL as in \
            `redis://10.0.0.5`";
        assert_eq!(alone.to_string(), expected);
        let cut = error(&INFO.replace("run_id:b1\r\n", ""));
        assert_eq!(cut, "Redis at redis:6379 gave an unexpected answer to INFO");
    }
}
