use ws_server::prelude::*;

struct Dash;

#[ws_handler]
impl Dash {
    fn init() -> Self {
        Dash
    }
}

fn refuses(_: &Handshake) -> Result<(), Refusal> {
    Ok(())
}

dispatch! {
    pub struct Routes;

    dash: "/dash" => Dash { start: refuses, attach: page };
}

fn main() {
    let _ = Routes::table();
    let _ = refuses;
}
