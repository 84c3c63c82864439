//! The return of a script that acknowledges over one connection while the handshake of another one is
//! pending.

use super::*;
use crate::wire::Gap;

/// A page that has sent the handshake of its next connection, and acknowledged more since.
struct Returning {
    fixture: Fixture,
    position: Position,
}

impl Returning {
    /// The page has received three messages; the position of its handshake is behind the first,
    /// and it has acknowledged the second over its connection.
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let stream = &fixture.stream;
        let socket = fixture.attach(1);
        for text in ["one", "two", "three"] {
            stream.push(&Push::text(text));
        }
        let position = Position {
            epoch: Epoch::Ours(stream.epoch()),
            offset: 1,
        };
        stream.ack(socket, 2).unwrap();
        Self { fixture, position }
    }

    /// Attaches the next connection. Returns the offsets in its frames: those of `welcome`, of
    /// resets and of messages.
    fn attach(&self, position: Position, client: Option<u64>) -> String {
        let position = Some(position);
        let socket = ending::SlowSocket::attach_as(&self.fixture, position, client, 100);
        socket.drain(&self.fixture.stream);
        let received = socket.received_text();
        let frames = received.split("{\"type\":\"").skip(1).map(|frame| {
            let kind = frame.split('"').next().unwrap();
            let offset = frame.split("\"offset\":").nth(1).unwrap();
            let end = offset.find([',', '}']).unwrap();
            format!("{kind} {}", &offset[..end])
        });
        frames.collect::<Vec<_>>().join(", ")
    }

    fn resets(&self, why: Gap) -> u64 {
        self.fixture.budget.resets().get(why)
    }
}

#[tokio::test]
async fn an_acknowledgement_during_a_handshake_of_the_same_script_causes_no_reset() {
    let page = Returning::new().await;
    assert_eq!(page.attach(page.position, Some(1)), "welcome 2, text 3");
    assert_eq!(page.resets(Gap::History), 0);
}

#[tokio::test]
async fn a_script_that_has_acknowledged_everything_gets_only_later_messages() {
    let page = Returning::new().await;
    let stream = &page.fixture.stream;
    let socket = page.fixture.attach(1);
    stream.ack(socket, 3).unwrap();
    assert_eq!(page.attach(page.position, Some(1)), "welcome 3");
}

#[tokio::test]
async fn a_client_that_names_no_script_gets_a_reset_if_it_is_behind() {
    let page = Returning::new().await;
    assert_eq!(
        page.attach(page.position, None),
        "welcome 2, reset 2, text 3"
    );
    assert_eq!(page.resets(Gap::History), 1);
}

#[tokio::test]
async fn messages_that_were_dropped_during_a_handshake_cause_a_reset() {
    let page = Returning::new().await;
    page.fixture.stream.overflow();
    assert_eq!(page.attach(page.position, Some(1)), "welcome 3, reset 3");
}

#[tokio::test]
async fn messages_that_were_lost_during_a_handshake_cause_a_reset() {
    let page = Returning::new().await;
    page.fixture.stream.lose();
    assert_eq!(page.attach(page.position, Some(1)), "welcome 4, reset 4");
}

#[tokio::test]
async fn a_position_that_was_never_sent_is_refused_for_the_same_script_too() {
    let page = Returning::new().await;
    let position = Position {
        offset: 4,
        ..page.position
    };
    let report = PageReport {
        position: Some(position),
        client: Some(1),
        attempt: None,
        cursor: None,
    };
    let request = AttachRequest {
        route: ROUTE,
        report,
    };
    let attached = page
        .fixture
        .stream
        .attach(&page.fixture.session, request, &fake_socket(), None);
    assert_eq!(attached.err(), Some(AttachError::UnsentOffset));
}
