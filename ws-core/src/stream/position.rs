//! Parses the position that a page reports in its handshake.

use crate::error::Refusal;
use crate::extract::Handshake;
use crate::page::{Epoch, FreshPage, PAGE_PROTOCOL, Page, PageReport, PageReturn, Position};
use crate::wire::PageQuery;

/// Parses what a page reports: its position, its script and its cursor.
pub(super) async fn of(handshake: &Handshake, page: &Page) -> Result<PageReturn, Refusal> {
    let (mut report, cursor) = parse(handshake)?;
    if let Some(fresh) = page.fresh() {
        report.position = position_before(fresh, report.position);
    }
    let opened = match cursor {
        // A cursor of a page that this one replaces has no meaning.
        Some(_) if page.fresh().is_some() => None,
        Some((base, at)) => page
            .open_cursor(&base, &at)
            .await
            .map_err(|_| Refusal::BAD_REQUEST.body("`base` and `at` are no cursor of this page"))?,
        None => None,
    };
    report.cursor = opened.as_ref().map(|opened| opened.reported);
    let cursor = opened.map(|opened| opened.cursor);
    Ok(PageReturn { report, cursor })
}

/// The position of a page whose id was issued in this handshake: if its client had another page, it
/// misses what was sent to that.
fn position_before(fresh: FreshPage, reported: Option<Position>) -> Option<Position> {
    let unknown = Position {
        epoch: Epoch::Other,
        offset: 0,
    };
    match (fresh, reported) {
        (FreshPage::First, None) => None,
        (FreshPage::First, Some(_)) | (FreshPage::Replacement, _) => Some(unknown),
    }
}

/// Parses the position and the script of the page, and the text of its cursor.
fn parse(handshake: &Handshake) -> Result<(PageReport, Option<(String, String)>), Refusal> {
    let query = handshake.query().unwrap_or_default();
    let malformed =
        || Refusal::BAD_REQUEST.body("`epoch`, `offset`, `client` or `attempt` is malformed");
    let query_fields: PageQuery = serde_urlencoded::from_str(query).map_err(|_| malformed())?;
    let position = match (query_fields.epoch, query_fields.offset) {
        (None, None) => None,
        (Some(epoch), Some(offset)) => {
            let epoch = Epoch::parse(&epoch).ok_or_else(malformed)?;
            Some(Position { epoch, offset })
        }
        _ => return Err(malformed()),
    };
    let cursor = match (query_fields.base, query_fields.at) {
        (Some(base), at) => Some((base, at.unwrap_or_default())),
        (None, None) => None,
        (None, Some(_)) => return Err(Refusal::BAD_REQUEST.body("`at` has no `base`")),
    };
    let report = PageReport {
        position,
        client: query_fields.client,
        attempt: query_fields.attempt,
        cursor: None,
    };
    Ok((report, cursor))
}

/// Checks that the client speaks the page protocol.
pub(super) fn check_protocol(handshake: &Handshake) -> Result<(), Refusal> {
    if handshake.protocol() == Some(PAGE_PROTOCOL) {
        return Ok(());
    }
    Err(Refusal::BAD_REQUEST.body("this is a page stream: offer the subprotocol `page.v1`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(query: &str) -> Result<PageReport, u16> {
        let uri = format!("/websocket?{query}").parse().unwrap();
        let handshake = Handshake {
            uri,
            ..Handshake::default()
        };
        let read = parse(&handshake).map(|(report, _)| report);
        read.map_err(|refusal| refusal.status().as_u16())
    }

    fn read(query: &str) -> Result<Option<Position>, u16> {
        report_of(query).map(|report| report.position)
    }

    #[test]
    fn a_complete_position_is_read_and_a_partial_one_rejected() {
        let ours = Epoch::Ours(0xff);
        let offset = 41;
        let expected = Some(Position {
            epoch: ours,
            offset,
        });
        assert_eq!(
            read("z_pid=x&epoch=00000000000000ff&offset=41"),
            Ok(expected)
        );
        assert_eq!(read("z_pid=x"), Ok(None));
        let client = |query| report_of(query).map(|report| report.client);
        assert_eq!(client("epoch=ff&offset=1"), Ok(None));
        assert_eq!(client("client=4294967295"), Ok(Some(4_294_967_295)));
        let other = Some(Position {
            epoch: Epoch::Other,
            offset: 0,
        });
        // Well-formed, but not as this library formats an epoch.
        for epoch in ["ff", "00000000000000FF", "Yk3vQ0r2pWc", "+0000000000000ff"] {
            let read = read(&format!("epoch={}&offset=0", epoch.replace('+', "_")));
            assert_eq!(read, Ok(other), "{epoch}");
        }
        for query in [
            "epoch=ff",
            "offset=1",
            "epoch=&offset=1",
            "epoch=a%20b&offset=1",
            "epoch=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&offset=1",
            "epoch=ff&offset=-1",
            "epoch=ff&offset=1.0",
            "epoch=ff&offset=99999999999999999999",
            "epoch=ff&offset=1&offset=1",
            "at=1.0.5.1",
            "base=A&base=B",
            "client=a",
            "client=-1",
            "attempt=1.5",
        ] {
            assert_eq!(read(query), Err(400), "{query}");
        }
    }
}
