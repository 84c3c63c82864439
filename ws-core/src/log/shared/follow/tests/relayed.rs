//! Relayed entries, which are in no order with the others.

use super::*;

#[test]
fn relayed_entries_are_read_once_and_change_no_number() {
    let mut log = Log::new();
    let relayed = |time, text| (EntryId::new(time, 0), message(B, 9, text));
    let mut read = LaneRead {
        lane: LANE,
        generation: log.generation,
        entries: vec![(EntryId::new(101, 0), message(A, 1, "x"))],
        relayed: vec![relayed(7, "r"), relayed(8, "s")],
        is_end: true,
        round: 1,
        census: None,
    };
    for expected in [
        &[
            "100.65535 2 relays t r",
            "100.65535 2 relays t s",
            "101.1 t x",
            "101.1 1#1 Records",
        ][..],
        &[],
    ] {
        let mut events = Vec::new();
        let emit = &mut |event: Event<'_>| events.push(show(&event));
        log.follower.apply(read.clone(), emit);
        assert_eq!(events, expected);
    }
    read.relayed = vec![relayed(9, "t"), (EntryId::new(10, 0), "?".into())];
    let mut events = Vec::new();
    log.follower
        .apply(read, &mut |event| events.push(show(&event)));
    assert_eq!(events, ["101.1 2 relays t t"]);
    assert_eq!(log.begin_read().relayed_after, EntryId::new(10, 0));
    assert_eq!(log.follower.skipped().foreign, 1);
}

/// The lanes of one server share a stream of relayed entries.
#[test]
fn relayed_entries_are_not_skipped_if_a_lane_is_opened_again() {
    let mut log = Log::new();
    let opened = |log: &mut Log, generation, relayed| {
        let opened = Opened {
            generation: Generation(generation),
            start: EntryId::new(100 * generation, 0),
            added: 1,
            relayed: EntryId::new(relayed, 0),
        };
        log.follower.opened(LANE, &opened, &mut |_| {});
        log.begin_read().relayed_after.time
    };
    assert_eq!(opened(&mut log, 2, 7), 0, "another lane has not read them");
    let read = LaneRead {
        lane: LANE,
        generation: Generation(2),
        entries: Vec::new(),
        relayed: vec![(EntryId::new(9, 0), message(B, 9, "r"))],
        is_end: true,
        round: log.round,
        census: None,
    };
    log.follower.apply(read, &mut |_| {});
    assert_eq!(opened(&mut log, 3, 20), 9);
    assert_eq!(opened(&mut log, 4, 5), 5, "a server with an older snapshot");
}
