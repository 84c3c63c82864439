use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

dispatch! {
    pub struct Routes;

    bad => Echo;
    worse: /rooms/{id} => Echo;
}

fn main() {
    let _ = (Routes::bad(), Routes::worse(7).query("a", 1));
}
