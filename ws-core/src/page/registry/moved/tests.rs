//! The pushes behind a cursor, and when they are not known any more.

use super::*;
use crate::log::shared::LoggedMessage;
use crate::log::{EntryId, Offset};
use crate::message::Message;
use crate::page::Page;
use crate::page::stream::{EndedOn, EndedStream};
use crate::testkit::{Cluster, TestVisitor};

/// A visitor who has logged on twice, and a page.
async fn renewed(cluster: &Cluster) -> (TestVisitor, Page) {
    let mut visitor = cluster.node(0).visitor().await;
    visitor.logon("ada").await;
    visitor.logon("bob").await;
    assert_eq!(visitor.session().renewals(), 2);
    cluster.settle().await;
    let page = visitor.page();
    (visitor, page)
}

/// Logs a push whose sender knows this number of logons.
fn push(pages: &Pages, to: PushTo<'_>, renewals: u32) {
    let topic = to.topic();
    let text = format!("{renewals},\"event\":\"n\",\"data\":1}}");
    let message = LoggedMessage {
        topic: topic.clone(),
        message: Message::text(text),
        history: None,
        except: None,
        is_volatile: false,
    };
    let shared = pages.topics.shared().unwrap();
    let _ = pages.topics.append(shared, topic, Ok(message), || 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_no_push_from_before_a_logon_and_cannot_get_one_from_behind_the_next() {
    let cluster = Cluster::new(1).await;
    let (visitor, page) = renewed(&cluster).await;
    let (pages, session) = (page.pages(), visitor.session());
    let from = pages.topics.heads().position(Lane::CONTROL).unwrap();
    let behind = || {
        let node = pages.topics.shared().unwrap().node();
        node.with_lane(Lane::CONTROL, |opened| {
            let pushes = Pages::pushes_behind(opened.unwrap(), from, page.id(), session);
            pushes.map(|pushes| pushes.len())
        })
    };
    assert_eq!(behind(), Ok(0));
    // Of one logon ago, of the current one, and one for which that does not matter.
    for renewals in [1, 2, 0] {
        push(pages, PushTo::Session(session.id()), renewals);
    }
    cluster.settle().await;
    assert_eq!(behind(), Ok(2));
    push(pages, PushTo::Page(page.id()), 3);
    cluster.settle().await;
    assert_eq!(behind(), Err(Forgotten));
}

#[tokio::test(start_paused = true)]
async fn a_page_from_before_a_loss_that_was_forgotten_is_forgotten_too() {
    let cluster = Cluster::new(1).await;
    let (visitor, page) = renewed(&cluster).await;
    let pages = page.pages();
    let id = page.id().into();
    let stream = pages.open(&id, visitor.session(), None).unwrap();
    let cursor = pages.topics.heads();
    let behind = || {
        let shared = pages.topics.shared().unwrap();
        pages.queue_pushes_behind(shared, &stream, &cursor)
    };
    assert_eq!(behind(), Ok(()));
    let lost = EndedStream {
        number: 1,
        epoch: 1,
        needed: u64::MAX,
        place: EndedOn::Elsewhere,
    };
    let at = Offset::before(EntryId::new(u64::MAX, 0));
    for number in 0..=crate::page::registry::ended::MAX_ELSEWHERE {
        let page = number.to_string().as_str().into();
        pages.ended.set_elsewhere(&page, lost, at);
    }
    assert_eq!(behind(), Err(Forgotten));
}
