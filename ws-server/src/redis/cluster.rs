//! Finds the server of a Redis Cluster that has a slot.
//!
//! Each hash tag is in one of 16,384 slots, and each slot is on one primary. A connection follows a
//! slot as it follows the primary of sentinels: it asks again whenever it must be replaced, and
//! another server is another generation.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisError as CommandError};
use futures::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::RedisError;
use super::address::{host_and_port, is_tls, list, with_host};
use super::info::{self, Mode, ServerId};

/// The number of slots.
const SLOTS: u16 = 16_384;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long an answer counts: all connections to a server are lost at the same time.
const FRESH: Duration = Duration::from_millis(100);

/// The most nodes that are asked: those of the URL, and others that they have named.
const MAX_ASKED: usize = 64;

/// The slot of all keys with this hash tag.
pub(super) fn slot_of(tag: &str) -> u16 {
    // CRC-16/XMODEM.
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            }
        })
    });
    crc % SLOTS
}

/// A Redis Cluster. All handles to it share one.
#[derive(Debug)]
pub(super) struct Cluster {
    /// The nodes of the URL, with user, password and TLS of all nodes.
    seeds: Vec<ConnectionInfo>,
    view: Mutex<View>,
}

/// What was found out last.
#[derive(Debug, Default)]
struct View {
    /// When, and the claims or an error; `None` before the first time.
    found: Option<(Instant, Result<Vec<Node>, RedisError>)>,
    /// Nodes that are asked besides those of the URL, also if all of those are gone.
    known: BTreeSet<(String, u16)>,
}

/// A node, as one of the nodes sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Node {
    id: String,
    witness: Witness,
    host: String,
    port: u16,
    /// Of two nodes that have the same slot, the one with the higher epoch has got it later.
    epoch: u64,
    slots: Vec<RangeInclusive<u16>>,
}

/// Who says what is known of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Witness {
    /// The node itself.
    Itself,
    /// Another one, which may have learnt less than the node itself.
    Another,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<ConnectionInfo>) -> Self {
        Self {
            seeds,
            view: Mutex::default(),
        }
    }

    /// Asks all nodes, and returns how to connect to the one that has a slot. Callers at the same
    /// time share one answer.
    ///
    /// # Errors
    ///
    /// [`RedisError::Unreachable`] if no node has the slot, and the error of a node if none answers.
    pub(super) async fn owner(&self, slot: u16) -> Result<ConnectionInfo, RedisError> {
        let mut view = self.view.lock().await;
        let is_fresh = |(at, _): &(Instant, _)| at.elapsed() < FRESH;
        if !view.found.as_ref().is_some_and(is_fresh) {
            let found = self.ask_all(&view.known).await;
            if let Ok(nodes) = &found {
                let known = nodes.iter().map(|node| (node.host.clone(), node.port));
                view.known = known.take(MAX_ASKED).collect();
            }
            view.found = Some((Instant::now(), found));
        }
        let nodes = match &view.found {
            Some((_, found)) => found.as_ref().map_err(Clone::clone)?,
            None => return Err(RedisError::Url),
        };
        let owner = owner(nodes, slot).ok_or_else(|| RedisError::Unreachable {
            address: list(&self.seeds),
            reason: format!("no node of the cluster has the slot {slot}"),
        })?;
        Ok(with_host(&self.seeds[0], &owner.host, owner.port))
    }

    async fn ask_all(&self, known: &BTreeSet<(String, u16)>) -> Result<Vec<Node>, RedisError> {
        let seeds: BTreeSet<_> = self.seeds.iter().filter_map(host_and_port).collect();
        let others = known.difference(&seeds);
        let others = others.map(|(host, port)| with_host(&self.seeds[0], host, *port));
        let all = self.seeds.iter().cloned().chain(others).take(MAX_ASKED);
        let (mut nodes, mut failed) = (Vec::new(), None);
        for answer in join_all(all.map(ask)).await {
            match answer {
                Ok(answer) => nodes.extend(answer),
                // One that answers with an error says more than one that does not answer.
                Err(error) if failed.is_none() || error.is_permanent() => failed = Some(error),
                Err(_) => {}
            }
        }
        match failed {
            Some(error) if nodes.is_empty() => Err(error),
            _ => Ok(nodes),
        }
    }
}

/// The node that has got a slot last, of those that claim it. If none does, the one of which others
/// say so, unless it has answered itself: a node that lags would name a former one for ever.
fn owner(nodes: &[Node], slot: u16) -> Option<&Node> {
    let has_slot = |node: &&Node| node.slots.iter().any(|slots| slots.contains(&slot));
    let claims = nodes.iter().filter(|it| it.witness == Witness::Itself);
    let has_answered = |id: &str| claims.clone().any(|it| it.id == id);
    let claimed = claims.clone().filter(has_slot);
    let hearsay = nodes.iter().filter(|it| !has_answered(&it.id));
    let hearsay = hearsay.filter(has_slot);
    let epoch = |node: &&Node| node.epoch;
    claimed
        .max_by_key(epoch)
        .or_else(|| hearsay.max_by_key(epoch))
}

async fn ask(node: ConnectionInfo) -> Result<Vec<Node>, RedisError> {
    let address = node.addr().to_string();
    let answer = timeout(PATIENCE, ask_for_nodes(&node, &address)).await;
    answer.unwrap_or_else(|_| Err(RedisError::timed_out(&address)))
}

async fn ask_for_nodes(node: &ConnectionInfo, address: &str) -> Result<Vec<Node>, RedisError> {
    let failed = |error| match RedisError::of_connecting(&error, address) {
        // The only command has no other error.
        RedisError::Refused { code, .. } if code == "ERR" => RedisError::NoCluster {
            address: address.to_owned(),
        },
        error => error,
    };
    let mut connection = connect(node).await.map_err(failed)?;
    let mut command = ::redis::cmd("CLUSTER");
    command.arg("NODES");
    let answer = command.query_async(&mut connection).await;
    let text: String = answer.map_err(failed)?;
    parse_all(&text, node).ok_or_else(|| RedisError::Answer {
        address: address.to_owned(),
        command: "CLUSTER NODES",
    })
}

async fn connect(node: &ConnectionInfo) -> Result<MultiplexedConnection, CommandError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let client = Client::open(node.clone())?;
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// Whether a node that was this server has handed over a slot.
pub(super) async fn has_handed_over(node: &ConnectionInfo, server: &ServerId, slot: u16) -> bool {
    let ask = async {
        let mut connection = connect(node).await.ok()?;
        let mut pipeline = ::redis::pipe();
        for section in ["server", "replication", "memory", "cluster"] {
            pipeline.cmd("INFO").arg(section);
        }
        pipeline.cmd("CLUSTER").arg("NODES");
        let answer: Vec<String> = pipeline.query_async(&mut connection).await.ok()?;
        let (nodes, info) = answer.split_last()?;
        let address = node.addr().to_string();
        let (found, _) = info::check(&info.concat(), &address, Mode::Cluster).ok()?;
        let nodes = parse_all(nodes, node)?;
        let itself = nodes.iter().find(|it| it.witness == Witness::Itself)?;
        Some(found == *server && !itself.slots.iter().any(|slots| slots.contains(&slot)))
    };
    timeout(2 * PATIENCE, ask).await.ok().flatten() == Some(true)
}

/// Parses the answer of a node to `CLUSTER NODES`.
fn parse_all(text: &str, node: &ConnectionInfo) -> Option<Vec<Node>> {
    let host = host_and_port(node).map(|(host, _)| host);
    let names = if is_tls(node) { Names::Host } else { Names::Ip };
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| parse(line, host.as_deref().unwrap_or_default(), names))
        .collect()
}

/// Which of its names a node is called by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Names {
    Ip,
    /// The name in its certificate; the address if it announces none.
    Host,
}

/// Parses a line of `CLUSTER NODES`: id, `ip:port@bus,host`, flags, primary, two times, epoch, state
/// of the link, slots. `asked` is the host that has sent it, which may not know its own address.
fn parse(line: &str, asked: &str, names: Names) -> Option<Node> {
    let mut fields = line.split(' ');
    let id = fields.next()?.to_owned();
    let mut place = fields.next()?.split(',');
    let (ip, port) = place.next()?.split('@').next()?.rsplit_once(':')?;
    // Other properties follow, as in `shard-id=…`.
    let name = place
        .next()
        .filter(|it| !it.is_empty() && !it.contains('='));
    let host = match name {
        Some(name) if names == Names::Host => name,
        _ if ip.is_empty() => asked,
        _ => ip,
    };
    let mut flags = fields.next()?.split(',');
    let witness = match flags.next() {
        Some("myself") => Witness::Itself,
        _ => Witness::Another,
    };
    let epoch = fields.nth(3)?.parse().ok()?;
    let mut slots = Vec::new();
    // Slots that are being migrated are in brackets, and still here.
    for text in fields.skip(1).filter(|text| !text.starts_with('[')) {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        slots.push(first.parse().ok()?..=last.parse().ok()?);
    }
    Some(Node {
        id,
        witness,
        host: host.to_owned(),
        port: port.parse().ok()?,
        epoch,
        slots,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "bb9b 10.0.0.5:7000@17000,a.example myself,master - 0 0 1 connected \
        0-8190 8192 [8191->-e9e5] [8193-<-e9e5]";
    const B: &str = "e9e5 10.0.0.6:7000@17000,,shard-id=77 master - 0 1795 2 connected 8192-16383";

    fn node(line: &str) -> Node {
        parse(line, "asked", Names::Ip).unwrap()
    }

    #[test]
    fn a_hash_tag_has_the_slot_of_the_specification() {
        assert_eq!(slot_of("123456789"), 0x31c3);
        assert_eq!(["0", "3", "sessions"].map(slot_of), [13_907, 1_584, 12_738]);
    }

    #[test]
    fn a_line_names_a_node_and_its_slots() {
        let expected = Node {
            id: "bb9b".to_owned(),
            witness: Witness::Itself,
            host: "10.0.0.5".to_owned(),
            port: 7000,
            epoch: 1,
            slots: vec![0..=8190, 8192..=8192],
        };
        assert_eq!(node(A), expected);
        let replica = node("c7 ::1:7001@17001 slave e9e5 0 0 2 disconnected");
        assert_eq!((&*replica.host, replica.port), ("::1", 7001));
        assert_eq!(replica.slots, []);
        for line in [
            "",
            "id 10.0.0.5 master - 0 0 1 connected",
            "id :x@1 m - 0 0 1 up",
        ] {
            assert_eq!(parse(line, "asked", Names::Ip), None, "{line}");
        }
    }

    #[test]
    fn certificates_have_the_names_of_hosts_and_a_node_may_not_know_its_address() {
        let host = |line, names| parse(line, "asked", names).unwrap().host;
        assert_eq!(host(A, Names::Host), "a.example");
        assert_eq!(host(B, Names::Host), "10.0.0.6");
        let unknown = A.replace("10.0.0.5", "");
        assert_eq!(host(&unknown, Names::Ip), "asked");
    }

    #[test]
    fn of_two_nodes_with_a_slot_the_later_one_has_it() {
        let nodes = [node(A), node(&B.replace("master", "myself,master"))];
        let host = |slot| owner(&nodes, slot).map(|node| &*node.host);
        assert_eq!(host(8190), Some("10.0.0.5"));
        assert_eq!(host(8191), None);
        assert_eq!(host(8192), Some("10.0.0.6"));
        assert_eq!(owner(&[], 0), None);
    }

    #[test]
    fn a_node_that_lags_does_not_name_a_former_owner_against_the_nodes_themselves() {
        let line = |id: u8, flags: &str, epoch: u8, slots: &str| {
            let host = format!("10.0.0.{id}");
            let line = format!("{id} {host}:7000@17000 {flags} - 0 0 {epoch} connected {slots}");
            node(line.trim_end())
        };
        let host = |nodes: &[Node]| owner(nodes, 7).map(|node| node.host.clone());
        // Node 1 has given the slot 7 to node 2, and has got another slot later.
        let former = line(1, "myself,master", 6, "0-6 8-99");
        let current = line(2, "myself,master", 5, "7");
        let lagging = [
            line(3, "myself,master", 4, ""),
            line(1, "master", 6, "0-99"),
        ];
        let all = [&lagging[..], &[former.clone(), current]].concat();
        assert_eq!(host(&all).as_deref(), Some("10.0.0.2"));
        // The owner does not answer: what others say counts, but not of one that denies it.
        let hearsay = line(2, "master", 5, "7");
        let all = [&lagging[..], &[former.clone(), hearsay]].concat();
        assert_eq!(host(&all).as_deref(), Some("10.0.0.2"));
        assert_eq!(host(&[&lagging[..], &[former]].concat()), None);
        assert_eq!(host(&lagging).as_deref(), Some("10.0.0.1"));
    }
}
