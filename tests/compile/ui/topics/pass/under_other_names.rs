//! The library under another path, and names that the expansion or Rust might want for itself.
#![deny(warnings)]

mod deep {
    pub mod live {
        pub use ws_server::*;
    }
}

use deep::live::topic::DeclaredTopic;
use deep::live::topics;

#[allow(dead_code)]
struct Option;
#[allow(dead_code)]
struct String;
#[allow(dead_code, non_upper_case_globals)]
const name: u8 = 0;

topics! {
    struct Block;
    crate: crate::deep::live;

    Some: "some/{self_}/{r#match}/{gen: u8}" => u8 { history: 3, keep: 1m };
    r#NonZeroU32: "number/{Part: u8}" => u8;
    Declaration: "declaration" => u8 { presence: u8 };
    Clone: "clone/{name}" => u8 { relay: live };
    Topic: "topic/{core: u8}" => u8;
}

fn main() {
    let some = Some("a".into(), "b".into(), 1);
    assert_eq!(some.name(), "some/a/b/1");
    assert_eq!(some.clone(), some);
    assert_eq!(NonZeroU32(3).name(), "number/3");
    assert_eq!(Declaration.name(), "declaration");
    assert_eq!(Clone("x".into()).name(), "clone/x");
    assert_eq!(Topic(1).name(), "topic/1");
    let _ = Block;
}
