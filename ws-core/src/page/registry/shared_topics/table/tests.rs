use super::super::record::tests::{page, subscription};
use super::*;
use crate::session::SessionId;

const OTHER: Writer = Writer::Another(Incarnation(7));
const LIFETIMES: Lifetimes = Lifetimes {
    grace: Duration::ZERO,
    idle: Duration::from_secs(600),
};

fn table() -> Table {
    Table::new(TableLimits {
        of_page: 2,
        of_session: 1,
        all: 4,
    })
}

fn session(topic: &str) -> Key {
    let owner = Owner::Session(SessionId::from_bytes([1; 16]));
    Key {
        owner,
        ..page("", topic)
    }
}

fn add(table: &mut Table, key: &Key, writer: Writer) -> Result<(), Full> {
    table.set(key, subscription("said", None), writer)
}

/// The keys that have expired and were rewritten within these ticks.
fn pass(table: &mut Table, ticks: u64) -> (Vec<Key>, Vec<Key>) {
    let mut all = (Vec::new(), Vec::new());
    for _ in 0..ticks {
        if let Some(due) = table.tick(LIFETIMES) {
            all.0.extend(due.expired);
            all.1.extend(due.rewritten.into_iter().map(|(key, ..)| key));
        }
    }
    all
}

#[test]
fn pages_sessions_and_the_cluster_have_limits() {
    let mut table = table();
    assert_eq!(add(&mut table, &page("a", "1"), OTHER), Ok(()));
    assert_eq!(add(&mut table, &page("a", "2"), OTHER), Ok(()));
    assert_eq!(add(&mut table, &page("a", "3"), OTHER), Err(Full));
    assert_eq!(
        add(&mut table, &page("a", "2"), Writer::This),
        Ok(()),
        "known"
    );
    assert_eq!(add(&mut table, &session("1"), OTHER), Ok(()));
    assert_eq!(add(&mut table, &session("2"), OTHER), Err(Full));
    assert_eq!(add(&mut table, &page("b", "1"), OTHER), Ok(()));
    assert_eq!(add(&mut table, &page("c", "1"), OTHER), Err(Full));
    assert_eq!(table.len(), 4);
    assert!(table.remove(&page("a", "1")));
    assert!(!table.remove(&page("a", "1")));
    assert_eq!(add(&mut table, &page("c", "1"), OTHER), Ok(()));
    assert_eq!(table.of(&page("a", "1").owner).len(), 1);
    assert!(
        table
            .get(&page("a", "2"))
            .is_some_and(|it| it.writer == Writer::This)
    );
}

#[test]
fn a_page_that_continues_on_another_node_is_not_ended_by_the_former_one() {
    let mut table = table();
    let key = page("a", "1");
    add(&mut table, &key, Writer::This).unwrap();
    assert!(!table.end(&key, OTHER));
    assert!(table.end(&key, Writer::This));
    // A node that has started late does not know the writer.
    add(&mut table, &key, Writer::Unknown).unwrap();
    assert!(table.end(&key, OTHER));
    assert_eq!(table.len(), 0);
}

#[test]
fn a_subscription_expires_unless_it_is_written_again() {
    let mut table = table();
    let (one, two) = (page("a", "1"), session("1"));
    add(&mut table, &one, OTHER).unwrap();
    add(&mut table, &two, OTHER).unwrap();
    assert_eq!(pass(&mut table, EXPIRY - 1).0, []);
    add(&mut table, &one, OTHER).unwrap();
    assert_eq!(pass(&mut table, EXPIRY).0, [two]);
    assert_eq!(pass(&mut table, SWEEP).0, [one]);
}

#[test]
fn a_subscription_is_written_again_in_time() {
    let mut table = table();
    let key = page("a", "1");
    add(&mut table, &key, OTHER).unwrap();
    assert_eq!(pass(&mut table, REWRITE - 1), (vec![], vec![]));
    assert_eq!(pass(&mut table, 1), (vec![], vec![key]));
}

#[test]
fn the_subscriptions_of_a_dead_node_have_no_writer() {
    let mut table = table();
    let (own, other) = (page("a", "1"), page("b", "1"));
    add(&mut table, &own, Writer::This).unwrap();
    add(&mut table, &other, OTHER).unwrap();
    let said = subscription("said", None);
    assert_eq!(table.own(), [(own, said.clone(), Writer::This)]);
    assert_eq!(table.died(Incarnation(7)), [(other.clone(), said.clone())]);
    assert_eq!(table.died(Incarnation(7)), []);
    assert!(table.own().contains(&(other, said, Writer::Unknown)));
}

#[test]
fn after_a_loss_only_what_its_writer_writes_again_lives_on() {
    let mut table = table();
    let [own, kept, gone, orphan] = ["own", "kept", "gone", "orphan"].map(|id| page(id, "1"));
    add(&mut table, &own, Writer::This).unwrap();
    add(&mut table, &kept, OTHER).unwrap();
    add(&mut table, &gone, OTHER).unwrap();
    add(&mut table, &orphan, Writer::Unknown).unwrap();
    table.lost();
    add(&mut table, &kept, OTHER).unwrap();
    let (expired, rewritten) = pass(&mut table, EXPIRY_AFTER_LOSS);
    assert_eq!((expired, rewritten), (vec![gone], vec![]));
    assert_eq!(table.len(), 3);
}
