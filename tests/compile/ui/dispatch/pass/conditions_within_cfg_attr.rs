//! `#[cfg_attr(…)]` at lines, with a `#[cfg(…)]` in it and with other attributes.
#![deny(warnings)]

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

mod inner {
    use super::*;

    dispatch! {
        pub struct Routes;

        room: "/room" => Room;
    }
}

dispatch! {
    struct Routes;

    #[cfg_attr(all(), cfg(any()))]
    room: "/rooms/{id: u64}" => NotThere { mailbox: not::THERE };
    #[cfg_attr(any(), cfg(any()))]
    room: "/rooms" => Room;
    #[cfg_attr(true, cfg(false))]
    hall: "/hall/{id: u64}" => NotThere;
    #[cfg_attr(false, cfg(false))]
    hall: "/hall" => Room;
    /// Documented, and more.
    #[cfg_attr(all(), doc = "Under a condition.", deprecated, allow(deprecated))]
    old: "/old/{id: u8}" => Room { start: keep };
    #[cfg_attr(any(), deprecated)]
    new: "/new" => Room;
    #[cfg_attr(all(), cfg_attr(all(), cfg(any())))]
    inner: "/none" => use not_there::Routes;
    #[cfg_attr(all(), cfg(all()), allow(unused))]
    inner: "/inner" => use inner::Routes;
}

fn keep(_: &Handshake) -> Result<(), Refusal> {
    Ok(())
}

pub(crate) fn main() {
    assert_eq!(Routes::room().to_string(), "/rooms");
    assert_eq!(Routes::hall().to_string(), "/hall");
    assert_eq!(Routes::new().to_string(), "/new");
    assert_eq!(
        Routes::inner(inner::Routes::room()).to_string(),
        "/inner/room"
    );
    #[allow(deprecated)]
    let old = Routes::old(7);
    assert_eq!(old.to_string(), "/old/7");
    let _ = Routes::table();
}
