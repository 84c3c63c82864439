use ws_server::prelude::*;

topics! {
    pub A: "/a/{id}" => u8;
    pub B: "b/" => u8;
    pub C: "c//{id}" => u8;
    pub D: "" => u8;
    pub E: "e/{*rest}" => u8;
    pub F: "f/:id" => u8;
    pub G: "g:{id}" => u8;
    pub H: "h/{id}/{id}" => u8;
    pub I: "i/{id" => u8;
    pub J: "j/{1d}" => u8;
    pub K: "k/{id: &str}" => u8;
    pub L: "l l" => u8;
    pub M: "m/#" => u8;
    pub N: "n}" => u8;
    pub O: "o/{x: f64}" => u8;
    pub P: concat!("p/", "{id}") => u8;
    pub Q: PATTERN => u8;
    pub R: b"r" => u8;
    pub S: "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss/{id}" => u8;
}

fn main() {}
