//! Pages of another epoch that continue, unless something was dropped in the meantime.

use super::*;
use crate::log::Cursor;
use crate::page::base::StreamStamp;

/// A page with a cursor of an earlier stream.
fn report() -> PageReport {
    PageReport {
        position: Some(Position {
            epoch: Epoch::Other,
            offset: 3,
        }),
        client: Some(1),
        attempt: None,
        cursor: None,
    }
}

fn cursor(stream: &Stream) -> ReportedCursor {
    let session = stream.session().generation();
    ReportedCursor {
        stamp: StreamStamp { number: 9, session },
        places: 0,
        is_empty: false,
    }
}

fn continue_behind(stream: &Stream) {
    let lanes = Cursor::from_bytes(&[0]).unwrap();
    stream.set_continuation(cursor(stream), &lanes, None);
}

/// The kinds of the frames that the page gets.
fn attach(fixture: &Fixture) -> (String, bool) {
    let report = PageReport {
        cursor: Some(cursor(&fixture.stream)),
        ..report()
    };
    let socket = ending::SlowSocket::attach_with(&fixture.stream, report, 100);
    socket.drain(&fixture.stream);
    let received = socket.received_text();
    let kinds = received.split("{\"type\":\"").skip(1);
    let kinds = kinds.map(|frame| frame.split('"').next().unwrap());
    let kinds = kinds.collect::<Vec<_>>().join(" ");
    (kinds, received.contains("\"continued\":true"))
}

fn overflow(stream: &Stream) {
    for _ in 0..=LIMITS.messages {
        stream.push(&Push::text("x"));
    }
}

#[tokio::test]
async fn a_page_continues_with_what_waits_for_it() {
    let fixture = Fixture::new().await;
    fixture.stream.push(&Push::text("x"));
    continue_behind(&fixture.stream);
    assert_eq!(attach(&fixture), ("welcome text".to_owned(), true));
}

#[tokio::test]
async fn a_page_for_which_something_was_dropped_gets_a_reset_instead() {
    let relieve = |stream: &Stream| {
        stream.push(&Push::text("x"));
        stream.overflow();
    };
    for (drop, name) in [
        (&Stream::lose as &dyn Fn(&Stream), "lose"),
        (&overflow, "overflow"),
        (&relieve, "relief"),
    ] {
        for is_dropped_first in [true, false] {
            let fixture = Fixture::new().await;
            let stream = &fixture.stream;
            if is_dropped_first {
                drop(stream);
                continue_behind(stream);
            } else {
                continue_behind(stream);
                drop(stream);
            }
            let expected = ("welcome reset".to_owned(), false);
            assert_eq!(attach(&fixture), expected, "{name} {is_dropped_first}");
            // Its client has no base that would continue.
            assert!(stream.lock().lineage.was_reset, "{name}");
        }
    }
}

#[tokio::test]
async fn a_page_whose_queue_has_overflowed_does_not_get_its_old_base_again() {
    let fixture = Fixture::new().await;
    let stream = &fixture.stream;
    stream.lock().lineage.base = BaseDue::Due;
    let welcome = |fixture: &Fixture| {
        let socket = ending::SlowSocket::attach_as(fixture, None, Some(1), 100);
        socket.drain(&fixture.stream);
        socket.received_text()
    };
    assert!(welcome(&fixture).contains("\"base\""));
    overflow(stream);
    assert!(!welcome(&fixture).contains("\"base\""));
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_stream_that_begins_again_behind_a_cursor_has_lost_nothing() {
    let fixture = Fixture::new().await;
    let stream = &fixture.stream;
    overflow(stream);
    stream.begin_with(vec![QueuedPush::for_one(&Push::text("x"))]);
    continue_behind(stream);
    assert_eq!(attach(&fixture), ("welcome text".to_owned(), true));
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_stream_that_begins_with_more_pushes_than_it_holds_has_none_of_them() {
    let fixture = Fixture::new().await;
    let stream = &fixture.stream;
    let push = QueuedPush::for_one(&Push::text("x"));
    stream.begin_with(vec![push; LIMITS.messages + 5]);
    continue_behind(stream);
    assert_eq!(attach(&fixture), ("welcome reset".to_owned(), false));
}

#[tokio::test]
async fn events_have_no_place_until_the_page_has_all_of_its_topics() {
    let fixture = Fixture::new().await;
    let stream = Arc::new(fixture.stream);
    let at = LanePlace {
        lane: 3,
        place: Some(crate::wire::EntryPlace {
            time: 5,
            sequence: 0,
            index: 1,
        }),
    };
    let event = Push::event_of_json("said", "1", Some(at));
    let event = QueuedPush::for_one(&event);
    let incomplete = [stream.begin_incomplete(), stream.begin_incomplete()];
    assert!(stream.enqueue(event.clone(), Some(at)));
    for reason in incomplete {
        stream.set_places("3.9.0.1".to_owned());
        assert!(!stream.pump());
        drop(reason);
    }
    assert!(stream.pump());
    stream.set_places("3.7.0.1".to_owned());
    assert!(!stream.pump(), "once");
    assert!(stream.enqueue(event, Some(at)));
    let report = PageReport {
        position: None,
        ..report()
    };
    let socket = ending::SlowSocket::attach_with(&stream, report, 100);
    socket.drain(&stream);
    let received = socket.received_text();
    let places = received.split(r#""at":""#).skip(1);
    let places: Vec<_> = places.map(|it| it.split('"').next().unwrap()).collect();
    assert_eq!(places, ["3", "3.7.0.1", "3.5.0.1"]);
}
