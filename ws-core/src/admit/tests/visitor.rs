//! Step 4: the visitor, and when the session is looked up at all.

use super::*;
use crate::hub::Hub;

#[tokio::test]
async fn step_4_wants_what_the_route_requires() {
    let hub = Hub::default();
    let (session, _) = hub.sessions().begin().await.unwrap();
    let page = Some(hub.open_page(&session).unwrap());
    let session = Some(session);
    let door = |require_page| Door {
        require_session: true,
        require_page,
        ..OPEN
    };
    let case = |require_page, session: &Option<_>, page: &Option<_>| {
        let visitor = Ok(Visitor {
            session: session.clone(),
            page: page.clone(),
        });
        Case {
            door: door(require_page),
            visitor,
            ..Case::default()
        }
        .status(&[])
    };
    assert_eq!(case(true, &None, &None), 403);
    assert_eq!(case(true, &None, &page), 403);
    assert_eq!(case(true, &session, &None), 403);
    assert_eq!(case(true, &session, &page), 101);
    assert_eq!(case(false, &session, &None), 101);
    assert_eq!(case(false, &None, &None), 403);
    let down = || Case {
        visitor: Err(SessionError::TimedOut),
        ..Case::default()
    };
    assert_eq!(
        Case {
            door: door(false),
            ..down()
        }
        .status(&[]),
        503
    );
}

#[test]
fn nothing_is_looked_up_for_a_route_that_requires_no_session() {
    let (uri, headers) = (Uri::from_static("/"), changed(&[]));
    let request = Request {
        method: &Method::GET,
        version: None,
        uri: &uri,
        headers: &headers,
        peer: None,
        can_upgrade: true,
    };
    let wanted = |require_session, require_page| {
        let door = Door {
            require_session,
            require_page,
            ..OPEN
        };
        knock(door, &request, &Policy::default()).unwrap().wanted()
    };
    assert_eq!(wanted(false, true), None);
    let asking = Door {
        asks_visitor: true,
        ..OPEN
    };
    let knock = knock(asking, &request, &Policy::default()).unwrap();
    assert_eq!(knock.wanted(), Some(Wanted::Anybody));
    assert_eq!(wanted(true, false), Some(Wanted::Session));
    assert_eq!(wanted(true, true), Some(Wanted::Page));
}
