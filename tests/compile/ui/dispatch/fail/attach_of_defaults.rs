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

    defaults { attach: page }

    fine: "/fine" => Dash;
    session: "/session" => Dash { require_session: false };
    page: "/page" => Dash { require_page: false };
    protocols: "/protocols" => Dash { protocols: ["v1.chat"] };
    start: "/start" => Dash { start: refuses };
}

fn main() {
    let _ = Routes::table();
    let _ = refuses;
}
