//! Parses the position that a page reports in its handshake.

use crate::error::Refusal;
use crate::extract::Handshake;
use crate::page::{Epoch, PAGE_PROTOCOL, PageReport, Position};
use crate::wire::PageQuery;

/// Parses the position and the script of the page.
pub(super) fn of(handshake: &Handshake) -> Result<PageReport, Refusal> {
    let query = handshake.query().unwrap_or_default();
    let malformed = || Refusal::BAD_REQUEST.body("`epoch`, `offset` or `client` is malformed");
    let query_fields: PageQuery = serde_urlencoded::from_str(query).map_err(|_| malformed())?;
    let position = match (query_fields.epoch, query_fields.offset) {
        (None, None) => None,
        (Some(epoch), Some(offset)) => {
            let epoch = Epoch::parse(&epoch).ok_or_else(malformed)?;
            Some(Position { epoch, offset })
        }
        _ => return Err(malformed()),
    };
    let client = query_fields.client;
    Ok(PageReport { position, client })
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
        let read = of(&handshake);
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
            "client=a",
            "client=-1",
        ] {
            assert_eq!(read(query), Err(400), "{query}");
        }
    }
}
