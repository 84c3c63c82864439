//! Step 4: the visitor, and when the session is looked up at all.

use super::*;
use crate::hub::Hub;

#[tokio::test]
async fn step_4_requires_what_the_route_requires() {
    let hub = Hub::default();
    let (session, _) = hub.sessions().begin().await.unwrap();
    let page = Some(hub.open_page(&session).unwrap());
    let session = Some(session);
    let access = |require_page| RouteAccess {
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
            access: access(require_page),
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
            access: access(false),
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
    let lookup = |require_session, require_page| {
        let access = RouteAccess {
            require_session,
            require_page,
            ..OPEN
        };
        check_request(access, &request, &AdmissionPolicy::default())
            .unwrap()
            .lookup()
    };
    assert_eq!(lookup(false, true), None);
    let asking = RouteAccess {
        needs_visitor: true,
        ..OPEN
    };
    let checked = check_request(asking, &request, &AdmissionPolicy::default()).unwrap();
    assert_eq!(checked.lookup(), Some(VisitorLookup::Optional));
    assert_eq!(lookup(true, false), Some(VisitorLookup::Session));
    assert_eq!(lookup(true, true), Some(VisitorLookup::Page));
}
