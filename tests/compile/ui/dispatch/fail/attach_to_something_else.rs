use ws_server::prelude::*;

struct Dash;

#[ws_handler]
impl Dash {
    fn init() -> Self {
        Dash
    }
}

dispatch! {
    pub struct Routes;

    flag: "/flag" => Dash { attach: true };
    text: "/text" => Dash { attach: "page" };
    word: "/word" => Dash { attach: session };
    upper: "/upper" => Dash { attach: Page };
    path: "/path" => Dash { attach: crate::page };
    called: "/called" => Dash { attach: page() };
    number: "/number" => Dash { attach: 20s };
    list: "/list" => Dash { attach: ["page"] };
    twice: "/twice" => Dash { attach: page, attach: page };
    misspelt: "/misspelt" => Dash { atach: page };
}

fn main() {
    let _ = Routes::table();
}
