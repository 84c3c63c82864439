use ws_server::prelude::*;

topics! {
    pub A: "a" => &str;
    pub B: "b" => [u8];
    pub C: "c" => dyn Send;
    pub D: "d" => impl Send;
    pub E: "e" => std::borrow::Cow<'a, str>;
}

fn main() {}
