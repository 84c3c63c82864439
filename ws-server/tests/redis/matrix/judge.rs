//! Judges what clients have received against what was published.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// A task that publishes to one topic, one message after another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Source {
    pub(crate) node: usize,
    pub(crate) topic: u64,
}

/// A message: its source and its number there, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Line {
    pub(crate) source: Source,
    pub(crate) number: usize,
}

impl Line {
    pub(crate) fn text(self) -> String {
        let Source { node, topic } = self.source;
        format!("{node} {topic} {}", self.number)
    }

    pub(crate) fn parse(text: &str) -> Self {
        let numbers: Vec<usize> = text.split(' ').map(|it| it.parse().unwrap()).collect();
        let [node, topic, number] = numbers[..] else {
            panic!("{text:?} is no line");
        };
        let topic = topic as u64;
        let source = Source { node, topic };
        Self { source, number }
    }
}

/// What the author of a message knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Accepted,
    /// It may be delivered.
    Unconfirmed,
    /// It was never sent.
    Refused,
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It has not ended.
    Open,
    /// The client was notified that messages may be missing.
    Reset,
    /// The client has left.
    Left,
    /// In a way that no fault explains.
    Other,
}

/// One connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The first message of each source that was published after the client had subscribed.
    pub(crate) due: BTreeMap<Source, usize>,
    pub(crate) received: Vec<Line>,
    pub(crate) end: End,
}

/// Everything that has happened.
#[derive(Default, Debug)]
pub(crate) struct Record {
    pub(crate) outcomes: BTreeMap<Source, Vec<Outcome>>,
    /// The connections of each client.
    pub(crate) clients: Vec<Vec<Connection>>,
}

/// The counts of a run.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Verdict {
    pub(crate) accepted: u64,
    pub(crate) unconfirmed: u64,
    pub(crate) refused: u64,
    pub(crate) delivered: u64,
    pub(crate) resets: u64,
    /// Accepted messages that a client did not get, and was notified about.
    pub(crate) lost_with_notice: u64,
    pub(crate) lost_silently: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    /// Messages that were refused, but delivered.
    pub(crate) refused_but_delivered: u64,
    /// Connections that ended without a reason.
    pub(crate) closed: u64,
}

impl Record {
    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::default();
        for outcome in self.outcomes.values().flatten() {
            *match outcome {
                Outcome::Accepted => &mut verdict.accepted,
                Outcome::Unconfirmed => &mut verdict.unconfirmed,
                Outcome::Refused => &mut verdict.refused,
            } += 1;
        }
        for connections in &self.clients {
            self.judge_client(connections, &mut verdict);
        }
        verdict.reordered += self.differences();
        verdict
    }

    fn judge_client(&self, connections: &[Connection], verdict: &mut Verdict) {
        let mut all = BTreeSet::new();
        for (index, connection) in connections.iter().enumerate() {
            verdict.delivered += connection.received.len() as u64;
            verdict.resets += u64::from(connection.end == End::Reset);
            verdict.closed += u64::from(connection.end == End::Other);
            let mut last = HashMap::new();
            for line in &connection.received {
                verdict.doubled += u64::from(!all.insert(*line));
                let last = last.entry(line.source).or_insert(line.number);
                verdict.reordered += u64::from(*last > line.number);
                *last = line.number.max(*last);
                let outcomes = &self.outcomes[&line.source];
                let is_refused = outcomes.get(line.number) == Some(&Outcome::Refused);
                verdict.refused_but_delivered += u64::from(is_refused);
            }
            let next = connections.get(index + 1);
            for (source, due) in &connection.due {
                let last = last.get(source).copied();
                // After a reset, the next connection is responsible.
                let until = match connection.end {
                    End::Open | End::Other => usize::MAX,
                    End::Reset => next.map_or(usize::MAX, |next| next.due[source]),
                    End::Left => 0,
                };
                let end = until.max(last.map_or(0, |last| last + 1));
                for number in self.missing(*source, *due..end, connection) {
                    // A reset is about what is behind the last message, not about gaps before it.
                    let is_behind = last.is_none_or(|last| number > last);
                    match connection.end {
                        End::Reset if is_behind => verdict.lost_with_notice += 1,
                        _ => verdict.lost_silently += 1,
                    }
                }
            }
        }
    }

    /// The accepted messages of a source that a connection should have got, and did not.
    fn missing(
        &self,
        source: Source,
        numbers: Range<usize>,
        connection: &Connection,
    ) -> Vec<usize> {
        let received = connection.received.iter();
        let received: BTreeSet<_> = received
            .filter(|line| line.source == source)
            .map(|line| line.number)
            .collect();
        let outcomes = self.outcomes[&source].iter().enumerate();
        let outcomes = outcomes.take(numbers.end).skip(numbers.start);
        let missing = outcomes.filter(|(number, outcome)| {
            **outcome == Outcome::Accepted && !received.contains(number)
        });
        missing.map(|(number, _)| number).collect()
    }

    /// The number of messages of a topic that two clients have received in different orders.
    fn differences(&self) -> u64 {
        let mut differences = 0;
        let topics: BTreeSet<u64> = self.outcomes.keys().map(|source| source.topic).collect();
        for topic in topics {
            let all: Vec<Vec<Line>> = self.clients.iter().map(|it| of_topic(it, topic)).collect();
            for (index, one) in all.iter().enumerate() {
                let places: HashMap<_, _> = one.iter().zip(0_usize..).collect();
                for other in &all[index + 1..] {
                    let places: Vec<_> = other.iter().filter_map(|it| places.get(it)).collect();
                    let steps_back = places.windows(2).filter(|pair| pair[0] > pair[1]);
                    differences += steps_back.count() as u64;
                }
            }
        }
        differences
    }
}

fn of_topic(connections: &[Connection], topic: u64) -> Vec<Line> {
    let all = connections.iter().flat_map(|it| &it.received);
    all.filter(|line| line.source.topic == topic)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Source = Source { node: 0, topic: 0 };
    const B: Source = Source { node: 1, topic: 0 };

    fn line(source: Source, number: usize) -> Line {
        Line { source, number }
    }

    fn connection(due: usize, received: &[Line], end: End) -> Connection {
        Connection {
            due: [(A, due), (B, 0)].into(),
            received: received.to_vec(),
            end,
        }
    }

    /// Four messages of A and one of B, all accepted but the third of A.
    fn verdict(clients: Vec<Vec<Connection>>) -> Verdict {
        use Outcome::{Accepted, Refused};
        let record = Record {
            outcomes: [
                (A, vec![Accepted, Accepted, Refused, Accepted]),
                (B, vec![Accepted]),
            ]
            .into(),
            clients,
        };
        record.verdict()
    }

    #[test]
    fn a_whole_connection_is_sound() {
        let all = [line(A, 0), line(B, 0), line(A, 1), line(A, 3)];
        let found = verdict(vec![vec![connection(0, &all, End::Open)]]);
        let expected = Verdict {
            accepted: 4,
            refused: 1,
            delivered: 4,
            ..Verdict::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_message_is_lost_silently_unless_a_reset_follows_it() {
        let gap = [line(A, 0), line(B, 0), line(A, 3)];
        for end in [End::Open, End::Reset] {
            let mut connections = vec![connection(0, &gap, end)];
            if end == End::Reset {
                connections.push(Connection {
                    due: [(A, 4), (B, 1)].into(),
                    ..connection(4, &[], End::Open)
                });
            }
            assert_eq!(verdict(vec![connections]).lost_silently, 1, "{end:?}");
        }
        let end = [line(A, 0), line(B, 0)];
        let open = verdict(vec![vec![connection(0, &end, End::Open)]]);
        assert_eq!((open.lost_silently, open.lost_with_notice), (2, 0));
        let rest = connection(3, &[line(A, 3)], End::Open);
        let rest = Connection {
            due: [(A, 3), (B, 1)].into(),
            ..rest
        };
        let told = verdict(vec![vec![connection(0, &end, End::Reset), rest]]);
        assert_eq!((told.lost_silently, told.lost_with_notice), (0, 1));
        assert_eq!((told.resets, told.closed), (1, 0));
    }

    #[test]
    fn a_client_that_has_left_misses_nothing_behind_its_last_message() {
        let early = connection(0, &[line(A, 0), line(B, 0)], End::Left);
        assert_eq!(verdict(vec![vec![early]]).lost_silently, 0);
        let gap = connection(0, &[line(A, 1), line(B, 0)], End::Left);
        assert_eq!(verdict(vec![vec![gap]]).lost_silently, 1);
    }

    #[test]
    fn repeats_steps_back_and_refused_messages_are_counted() {
        let all = [
            line(A, 1),
            line(A, 0),
            line(A, 1),
            line(A, 2),
            line(A, 3),
            line(B, 0),
        ];
        let found = verdict(vec![vec![connection(0, &all, End::Other)]]);
        assert_eq!((found.doubled, found.reordered), (1, 1));
        assert_eq!((found.refused_but_delivered, found.closed), (1, 1));
    }

    #[test]
    fn two_clients_must_agree_on_the_order() {
        let one = [line(A, 0), line(B, 0), line(A, 1), line(A, 3)];
        let two = [line(B, 0), line(A, 0), line(A, 1), line(A, 3)];
        let clients = [one, two].map(|all| vec![connection(0, &all, End::Open)]);
        assert_eq!(verdict(clients.into()).reordered, 1);
    }
}
