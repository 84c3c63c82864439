//! Handlers with type and constant arguments, behind paths and aliases.

use ws_server::prelude::*;

mod generic {
    use std::marker::PhantomData;

    use ws_server::prelude::*;

    pub struct Of<T, const N: usize>(PhantomData<T>);

    #[ws_handler]
    impl<T: Send + 'static, const N: usize> Of<T, N> {
        fn init() -> Self {
            Self(PhantomData)
        }
    }
}

type Alias = generic::Of<Vec<(u8, String)>, 3>;

dispatch! {
    struct Routes;

    bytes: "/bytes" => generic::Of<u8, { 1 + 1 }> { mailbox: 3 };
    alias: "/alias" => Alias;
    text: "/text" => generic::Of<Option<&'static str>, 0>;
}

pub(crate) fn main() {
    let _ = Routes::table();
}
