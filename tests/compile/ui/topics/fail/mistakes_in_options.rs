use ws_server::prelude::*;

topics! {
    pub A: "a" => u8 { histori: 100 };
    pub B: "b" => u8 { history: 100, history: 10, keep: 10m };
    pub C: "c" => u8 { keep: 10m };
    pub D: "d" => u8 { history: 100 };
    pub E: "e" => u8 { relay: live, history: 100, keep: 10m };
    pub F: "f" => u8 { relay: live, presence: u8 };
    pub G: "g" => u8 { history: 0, keep: 10m };
    pub H: "h" => u8 { history: 10_001, keep: 10m };
    pub I: "i" => u8 { history: 100 KiB, keep: 10m };
    pub J: "j" => u8 { history: newest, keep: 10m };
    pub K: "k" => u8 { history: 100, keep: 500ms };
    pub L: "l" => u8 { history: 100, keep: 25h };
    pub M: "m" => u8 { history: 100, keep: 10 };
    pub N: "n" => u8 { history: 100, keep: 7d };
    pub O: "o" => u8 { history: 100, keep: forever };
    pub P: "p" => u8 { relay: fast };
    pub Q: "q" => u8 { presence: true };
    pub R: "r" => u8 { presence: &str };
    pub S: "s" => u8 { relay: LIVE };
    pub T: "t" => u8 { history };
    pub U: "u" => u8 { history = 100, "keep": 10m };
    pub V: "v" => u8 ( history: 100, keep: 10m );
    pub W: "w" => u8 { 100 };
    pub X: "x" => u8 { presence: chat:: };
}

fn main() {}
