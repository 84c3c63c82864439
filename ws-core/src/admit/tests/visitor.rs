//! Step 4: the visitor, and when the session is looked up at all.

use super::*;
use crate::hub::Hub;
use crate::page::NoPage;

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
        let visitor = Visitor {
            session: session.clone(),
            page: page.clone(),
        };
        Case {
            access: access(require_page),
            visitor: Ok(visitor.into()),
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
        over_tls: false,
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

#[tokio::test]
async fn a_page_that_a_handler_attaches_to_may_have_no_session() {
    let access = RouteAccess {
        attach_page: true,
        ..OPEN
    };
    let case = |visitor: FoundVisitor| Case {
        access,
        visitor: Ok(visitor),
        ..Case::default()
    };
    assert_eq!(
        case(FoundVisitor::default()).check(&[]).unwrap().lookup(),
        Some(VisitorLookup::AnyPage)
    );
    for fresh in [FreshPage::First, FreshPage::Replacement] {
        let admission = case(fresh.into()).admit(&[]).unwrap();
        assert_eq!(admission.fresh, Some(fresh));
    }
    let malformed = MissingVisitor::Page(NoPage::Malformed);
    assert_eq!(case(malformed.into()).status(&[]), 400);
    assert_eq!(
        case(MissingVisitor::Page(NoPage::Foreign).into()).status(&[]),
        403
    );
    // The page of a session is used like any other.
    let hub = Hub::default();
    let (session, _) = hub.sessions().begin().await.unwrap();
    let page = Some(hub.open_page(&session).unwrap());
    let visitor = Visitor {
        session: Some(session),
        page,
    };
    let admission = case(visitor.into()).admit(&[]).unwrap();
    assert_eq!(admission.fresh, None);
    assert!(admission.visitor.session.is_some());
    // A route that requires a session never issues a page.
    let strict = RouteAccess {
        require_session: true,
        require_page: true,
        ..access
    };
    let strict = Case {
        access: strict,
        visitor: Ok(FreshPage::First.into()),
        ..Case::default()
    };
    assert_eq!(strict.status(&[]), 403);
}
