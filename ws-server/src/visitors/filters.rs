//! The visitors of requests, as warp filters.

use std::sync::Arc;

use http::request::Parts;
use warp::Filter;
use warp::filters::BoxedFilter;
use ws_core::page::Page;
use ws_core::session::Session;

use super::{Visit, begin, find, new_page, reject};
use crate::filter::{WsFilter, parts, reply};
use crate::shared::ServerShared;

/// The visitor's session; begins one if there is none.
pub(crate) fn session(shared: &Arc<ServerShared>) -> BoxedFilter<(Visit,)> {
    let shared = shared.clone();
    parts()
        .and_then(move |parts: Parts| {
            let shared = shared.clone();
            async move { begin(&shared, &parts).await.map_err(reject) }
        })
        .boxed()
}

/// The visitor's session, if there is one.
pub(crate) fn current_session(shared: &Arc<ServerShared>) -> BoxedFilter<(Option<Session>,)> {
    current_visit(shared)
        .map(|visit: Option<Visit>| visit.map(|visit| visit.session().clone()))
        .boxed()
}

/// The visit of a visitor who has a session.
pub(crate) fn current_visit(shared: &Arc<ServerShared>) -> BoxedFilter<(Option<Visit>,)> {
    let shared = shared.clone();
    parts()
        .and_then(move |parts: Parts| {
            let shared = shared.clone();
            async move { find(&shared, &parts).await.map_err(reject) }
        })
        .boxed()
}

/// The visitor's session, and a new page of it.
pub(crate) fn page(shared: &Arc<ServerShared>) -> BoxedFilter<(Visit, Page)> {
    session(shared)
        .and_then(async |mut visit: Visit| match visit.open_page() {
            Ok(page) => Ok((visit, page)),
            Err(error) => Err(reject(visit.failed(error))),
        })
        .untuple_one()
        .boxed()
}

/// Responds to a POST with the id of a new page, as JSON.
pub(crate) fn open_page(shared: &Arc<ServerShared>) -> WsFilter {
    let shared = shared.clone();
    warp::post()
        .and(parts())
        .and_then(move |parts: Parts| {
            let shared = shared.clone();
            async move { new_page(&shared, &parts).await.map(reply).map_err(reject) }
        })
        .boxed()
}
