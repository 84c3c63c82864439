//! A page that moves between servers: what the former one hands over, and what the next one takes over.

use super::*;
use crate::page::base::StreamStamp;

/// The place of a stream that has ended here.
fn end_of(fixture: &Fixture) -> Option<EndedStream> {
    fixture.stream.end(&Close::GOING_AWAY);
    Some(fixture.stream.handed_over()?.ended())
}

async fn owned() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.stream.own();
    fixture
}

#[tokio::test]
async fn a_stream_is_handed_over_with_all_that_the_next_server_must_know() {
    let fixture = owned().await;
    let epoch = fixture.stream.epoch();
    let socket = fixture.attach(7);
    let hello = Message::text("hello");
    for id in 1..=3 {
        let taken = fixture.stream.accept(socket, id, &hello, HANDLES);
        assert_eq!(taken, Accepted::New(()));
    }
    let client = Some(7);
    let plain = EndedStream {
        number: 1,
        epoch,
        needed: 0,
        place: EndedOn::HandedOver { client, seen: 3 },
    };
    assert_eq!(end_of(&fixture), Some(plain));

    // A handler may have taken more than the page knows.
    let fixture = owned().await;
    fixture.with_handler();
    assert_eq!(end_of(&fixture).unwrap().place, EndedOn::Elsewhere);

    // Other servers do not know a subscription, so the page cannot continue there.
    let fixture = owned().await;
    assert!(fixture.stream.anchor());
    assert!(!fixture.stream.anchor(), "it is known already");
    assert_eq!(end_of(&fixture).unwrap().needed, u64::MAX);

    // The page never was here.
    assert_eq!(end_of(&Fixture::new().await), None);
}

#[tokio::test]
async fn only_the_script_of_a_stream_that_was_handed_over_goes_on_with_its_epoch() {
    const EPOCH: u64 = 7_000;
    const OFFSET: u64 = 12;

    let fixture = Fixture::new().await;
    let stream = &fixture.stream;
    let (own, client) = (stream.epoch(), Some(1));
    stream.set_predecessor(EndedStream {
        number: 7,
        epoch: EPOCH,
        needed: 0,
        place: EndedOn::HandedOver { client, seen: 5 },
    });
    let report = |client, (epoch, offset), number| PageReport {
        position: Some(Position {
            epoch: Epoch::Ours(epoch),
            offset,
        }),
        client: Some(client),
        attempt: None,
        cursor: Some(ReportedCursor {
            stamp: StreamStamp {
                number,
                session: fixture.session.generation(),
            },
            places: 0,
            is_empty: false,
        }),
    };
    for other in [
        report(2, (EPOCH, OFFSET), 7),
        report(1, (EPOCH + 1, OFFSET), 7),
        report(1, (EPOCH, OFFSET), 8),
        // A script cannot count so far.
        report(1, (EPOCH, 1 << 53), 7),
    ] {
        stream.take_over(&other);
        assert_eq!((stream.epoch(), stream.last_accepted()), (own, 0));
    }
    stream.take_over(&report(1, (EPOCH, OFFSET), 7));
    assert_eq!((stream.epoch(), stream.last_accepted()), (EPOCH, 5));
    assert_eq!(stream.lock().queue.last(), OFFSET);
}

#[tokio::test(start_paused = true)]
async fn a_page_with_a_pending_handshake_is_not_handed_over() {
    let fixture = owned().await;
    let stream = &fixture.stream;
    stream.begin_handshake();
    assert_eq!(stream.end_unattached(), FollowUp::Nothing);
    stream.end_handshake();
    assert_eq!(stream.end_unattached(), FollowUp::Remove);
}

#[tokio::test]
async fn a_handler_keeps_its_page_from_other_credentials_where_the_page_is() {
    let fixture = Fixture::new().await;
    let stream = &fixture.stream;
    let own = Credentials::new("page", Some("t0p"), [].into_iter());
    fixture.with_handler_for(Some(own.clone()));
    let by = Attempt::default();
    // The page is on another server until this one has read its claim.
    assert_eq!(stream.keeps_page(|_| true), None);
    assert_eq!(stream.contest(&by, |_| true), Contested::Lost);
    stream.own();
    assert_eq!(stream.keeps_page(|it| *it != own), Some(false));
    assert_eq!(stream.keeps_page(|_| true), Some(true));
    assert_eq!(stream.contest(&by, |_| true), Contested::Kept);
    assert_eq!(stream.contest(&by, |_| false), Contested::Lost);
}
