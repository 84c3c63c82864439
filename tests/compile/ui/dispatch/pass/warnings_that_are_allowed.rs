//! What the compiler warns of may be meant: the line says so.
#![deny(warnings)]

use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

/// Reads the path by itself.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(handshake: &Handshake) -> Self {
        assert!(handshake.uri().path().len() > 1);
        Reader
    }
}

fn known(_: &Handshake) -> Result<(), Refusal> {
    Ok(())
}

dispatch! {
    pub struct Routes;
    defaults { require_session: false }

    start:  "/lamp"              => Echo;
    #[allow(deprecated)]
    never:  "/lamp/{*rest}"      => Echo;
    longer: "/lamp/{_a}/{*_b}"   => Echo;
    #[allow(deprecated)]
    page:   "/page"              => Echo { require_page: false };
    #[allow(deprecated)]
    unread: "/rooms/{id: u64}"   => Echo;
    meant:  "/meant/{_id: u64}"  => Echo;
    reader: "/reader/{id: u64}"  => Reader;
    asked:  "/asked/{id: u64}"   => Echo { start: known };
}

pub(crate) fn main() {
    assert_eq!(Routes::never("a").to_string(), "/lamp/a");
    let _ = (Routes::table(), Routes::start(), Routes::longer("a", "b"), Routes::page());
    let _ = (Routes::unread(1), Routes::meant(1), Routes::reader(1), Routes::asked(1));
}
