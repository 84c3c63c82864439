use ws_server::prelude::*;

topics! {
    pub A: "a" => u8
    pub B: "b" => u8,
    pub C: "c" =>;
    pub D: "d";
    pub E "e" => u8;
    pub F = "f" => u8;
    pub G: => u8;
    pub H: "h" => { history: 100, keep: 10m };
    pub I: "i" => Event::new();
    pub J: "j" => "Event";
    pub K: "k" => u8 u8;
    pub L;
    pub M: u8;
    pub N: "n" => chat::;
    pub O: /o/{id} => u8;
    pub P: "p" -> u8;
    crat: ::ws_server;
}

fn main() {}
