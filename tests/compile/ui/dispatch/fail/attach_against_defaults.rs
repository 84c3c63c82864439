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

    defaults { require_session: false, require_page: false, protocols: ["v1.chat"], start: refuses }

    plain: "/plain" => Dash;
    dash: "/dash" => Dash { attach: page, require_session: true };
    fine: "/fine" => Dash { attach: page, require_session: true, require_page: true };
}

fn main() {
    let _ = Routes::table();
    let _ = refuses;
}
