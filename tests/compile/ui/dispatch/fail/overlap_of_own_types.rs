use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

struct Slug;

impl std::str::FromStr for Slug {
    type Err = ();

    fn from_str(_: &str) -> Result<Self, ()> {
        Ok(Slug)
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

dispatch! {
    pub struct Routes;

    room: "/rooms/{id: u64}" => Echo;
    slug: "/rooms/{slug: Slug}" => Echo;
}

fn main() {
    let _ = Routes::table();
}
