use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

mod deep {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;

        leaf: "/{_id: u64}" => super::Echo;
    }
}

mod one {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;

        deep: "/b" => use super::deep::Routes;
    }
}

mod two {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;

        other: "/{_number: u64}" => super::Echo;
    }
}

dispatch! {
    pub struct Routes;

    one: "/a"   => use one::Routes;
    two: "/a/b" => use two::Routes;
}

fn main() {}
