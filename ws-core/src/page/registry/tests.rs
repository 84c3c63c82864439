//! Pages that are opened and ended, and their accounting.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::message::Message;
use crate::page::stream::tests::{fake_socket, run};
use crate::page::stream::{InitClient, PageReport};
use crate::session::Sessions;

const LIMITS: PageLimits = PageLimits {
    messages: 20,
    bytes: 4_000,
    all_bytes: 10_000,
    per_session: 3,
    ..PageLimits::DEFAULT
};

fn new_pages(limits: PageLimits) -> Arc<Pages> {
    Pages::new(
        limits,
        1,
        "z_pid".to_owned(),
        Arc::new(crate::topic::Topics::new(1, 0)),
        std::sync::Arc::default(),
    )
}

#[tokio::test]
async fn a_page_that_ends_while_it_moves_to_another_session_leaves_no_data() {
    let sessions = Sessions::default();
    let (session, _) = sessions.begin().await.unwrap();
    let pages = new_pages(PageLimits::DEFAULT);
    let address = "203.0.113.7".parse().ok();
    let stream = pages.open(&"page".into(), &session, address).unwrap();
    let user = Some("ada".to_owned());
    let (renewed, _) = sessions.renew(&session, user).await.unwrap();
    let (before, follow_up) = stream.adopt(&renewed).unwrap();
    // It ends before the registry is notified of its move.
    pages.end(&stream, &Close::GOING_AWAY);
    pages.reindex(&stream, &before, &renewed);
    pages.follow_up(&stream, follow_up);
    assert!(pages.index().is_empty());
    assert_eq!(pages.count_of(PushTo::User("ada")), 0);
}

#[tokio::test]
async fn the_pages_of_a_session_are_found_whatever_numbers_of_logons_a_record_has() {
    let sessions = Sessions::default();
    let (session, _) = sessions.begin().await.unwrap();
    let (other, _) = sessions.begin().await.unwrap();
    let pages = new_pages(PageLimits::DEFAULT);
    for (number, of) in [&session, &session, &other].into_iter().enumerate() {
        pages.open(&number.to_string().into(), of, None).unwrap();
    }
    let id = session.generation().id;
    let count = |renewals| pages.streams_of_generations(id, renewals).len();
    assert_eq!([count(0..=0), count(0..=1)], [2, 2]);
    assert_eq!(count(0..=u32::MAX), 2);
    assert_eq!([count(1..=1), count(1..=u32::MAX)], [0, 0]);
}

#[tokio::test]
async fn a_push_to_many_pages_counts_once() {
    let sessions = Sessions::default();
    let pages = new_pages(LIMITS);
    for number in 0..20 {
        let (session, _) = sessions.begin().await.unwrap();
        let id = number.to_string().into();
        pages.open(&id, &session, None).unwrap();
    }
    let push = Push::text(&"x".repeat(1_000));
    assert_eq!(pages.push(PushTo::All, &push).reached(), 20);
    let each = 64;
    assert_eq!(pages.bytes(), push.tail().len() + 20 * each);
    assert_eq!(pages.push(PushTo::All, &push).reached(), 20);
    assert_eq!(pages.bytes(), 2 * (push.tail().len() + 20 * each));
}

#[tokio::test]
async fn the_largest_queues_are_dropped_before_those_that_share_a_larger_message() {
    let sessions = Sessions::default();
    let pages = new_pages(PageLimits {
        bytes: 50_000,
        all_bytes: 100_000,
        ..PageLimits::DEFAULT
    });
    let push = |size: usize| Push::text(&"x".repeat(size));
    let mut many = Vec::new();
    for number in 0..20 {
        let (session, _) = sessions.begin().await.unwrap();
        let id = number.to_string().into();
        many.push(pages.open(&id, &session, None).unwrap());
    }
    assert_eq!(pages.push(PushTo::All, &push(30_000)).reached(), 20);
    // A few pages hold fewer bytes each, but share them with no other page.
    for number in 20..24 {
        let (session, _) = sessions.begin().await.unwrap();
        let id = number.to_string().into();
        pages.open(&id, &session, None).unwrap();
        assert_eq!(pages.push_to(&id, &session, &push(18_000)).reached(), 1);
    }
    assert!(pages.bytes() <= 87_500, "{}", pages.bytes());
    let kept = many.iter().filter(|page| page.contents().shared.len() == 1);
    assert_eq!(kept.count(), 20);
}

/// One step of the test.
#[derive(Clone, Copy, Debug)]
enum PageStep {
    Open(u8),
    PushTo(u8, usize),
    PushToAll(usize),
    Attach(u8),
    Ack(u8),
    Detach(u8),
    ReceiveMessage(u8, usize),
    End(u8),
}

fn step() -> impl Strategy<Value = PageStep> {
    let page = 0..6_u8;
    prop_oneof![
        4 => page.clone().prop_map(PageStep::Open),
        8 => (page.clone(), 0..3_000_usize).prop_map(|(page, size)| PageStep::PushTo(page, size)),
        4 => (0..3_000_usize).prop_map(PageStep::PushToAll),
        3 => page.clone().prop_map(PageStep::Attach),
        5 => page.clone().prop_map(PageStep::Ack),
        2 => page.clone().prop_map(PageStep::Detach),
        3 => (page.clone(), 0..300_usize).prop_map(|(page, size)| PageStep::ReceiveMessage(page, size)),
        1 => page.prop_map(PageStep::End),
    ]
}

struct Server {
    pages: Arc<Pages>,
    sessions: Vec<Session>,
    sockets: HashMap<u8, ConnectionId>,
}

impl Server {
    fn apply(&mut self, step: PageStep) {
        let id = |page: u8| -> Arc<str> { page.to_string().into() };
        let session = |page: u8| &self.sessions[usize::from(page % 2)];
        let pages = &self.pages;
        match step {
            PageStep::Open(page) => {
                let _ = pages.open(&id(page), session(page), None);
            }
            PageStep::PushTo(page, size) => {
                let push = Push::text(&"x".repeat(size));
                let _ = pages.push_to(&id(page), session(page), &push);
            }
            PageStep::PushToAll(size) => {
                let _ = pages.push(PushTo::All, &Push::text(&"x".repeat(size)));
            }
            PageStep::Attach(page) => {
                let Some(stream) = pages.find(&id(page)) else {
                    return;
                };
                let socket = fake_socket();
                let report = PageReport {
                    position: None,
                    client: None,
                    attempt: None,
                    cursor: None,
                };
                pages
                    .attach(
                        &stream,
                        session(page),
                        AttachRequest { route: 1, report },
                        &socket,
                    )
                    .unwrap();
                self.sockets.insert(page, socket.id());
            }
            PageStep::Ack(page) => self.with_socket(page, |stream, socket| {
                let _ = pages.ack(stream, socket, stream.last_sent());
            }),
            PageStep::Detach(page) => self.with_socket(page, |stream, socket| {
                pages.detach(stream, socket, false);
            }),
            PageStep::ReceiveMessage(page, size) => self.with_socket(page, |stream, socket| {
                let client = InitClient {
                    session: session(page).clone(),
                    credentials: None,
                };
                if !stream.has_handler_for(&client).unwrap() {
                    stream.set_handler(pages.new_feed(), &client, 1).unwrap();
                }
                let message = Message::text("x".repeat(size));
                stream.accept(socket, stream.last_accepted() + 1, &message, || None::<()>);
            }),
            PageStep::End(page) => {
                if let Some(stream) = pages.find(&id(page)) {
                    pages.end(&stream, &Close::NORMAL);
                }
            }
        }
    }

    fn with_socket(&self, page: u8, step: impl FnOnce(&Arc<Stream>, ConnectionId)) {
        let stream = self.pages.find(&page.to_string());
        if let (Some(stream), Some(socket)) = (stream, self.sockets.get(&page)) {
            step(&stream, *socket);
        }
    }

    fn check(&self) {
        let streams: Vec<_> = self.pages.index().pages.values().cloned().collect();
        let contents: Vec<_> = streams.iter().map(|stream| stream.contents()).collect();
        let own: usize = contents.iter().map(|stream| stream.own).sum();
        let shared: HashMap<_, _> = contents
            .iter()
            .flat_map(|stream| stream.shared.clone())
            .collect();
        let queued = own + shared.values().sum::<usize>();
        assert_eq!(self.pages.queued.used(), queued);
        let fed: usize = contents.iter().map(|stream| stream.fed).sum();
        assert_eq!(self.pages.fed.used(), fed);
        assert!(queued <= LIMITS.all_bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_bytes_of_all_pages_are_counted_exactly_and_stay_below_their_limit(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(async {
            let sessions = Sessions::default();
            let mut server = Server {
                pages: new_pages(LIMITS),
                sessions: vec![sessions.begin().await.unwrap().0, sessions.begin().await.unwrap().0],
                sockets: HashMap::new(),
            };
            for step in steps {
                server.apply(step);
                server.check();
            }
            let Server { pages, .. } = server;
            let all: Vec<_> = pages.index().pages.values().cloned().collect();
            for stream in all {
                pages.end(&stream, &Close::NORMAL);
            }
            assert_eq!((pages.queued.used(), pages.fed.used()), (0, 0));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_for_a_page_without_a_socket_continues_where_the_last_one_has_ended() {
    let pages = new_pages(PageLimits::DEFAULT.anonymous(100));
    let open = |number: u8| {
        let session = Session::of_page(SessionId::from_bytes([number; 16]));
        pages.open(&number.to_string().into(), &session, None)
    };
    let streams: Vec<_> = (0..100).map(|number| open(number).unwrap()).collect();
    let held: Vec<_> = streams[..80].iter().map(|it| pages.hold(it)).collect();
    assert!(matches!(
        open(100),
        Err(OpenError::TooMany(TooMany::Anonymous))
    ));
    assert_eq!(pages.count(), 100);
    open(100).unwrap();
    assert!(streams[80].has_ended() && pages.count() == 100);
    open(101).unwrap();
    assert!(streams[81].has_ended() && pages.count() == 100);
    drop(held);
    for stream in streams {
        pages.end(&stream, &Close::GOING_AWAY);
    }
    for number in ["100", "101"] {
        pages.end(&pages.find(number).unwrap(), &Close::GOING_AWAY);
    }
    assert!(pages.index().is_empty());
}
