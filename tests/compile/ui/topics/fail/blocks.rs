// Two blocks of one program that name the same topic.

mod chat {
    ws_server::topics! {
        pub struct Topics;

        pub Room: "room/{id: u64}" => String;
    }
}

mod lobby {
    ws_server::topics! {
        pub struct Topics;

        pub Lobby: "room/lobby" => String;
    }
}

mod unnamed {
    ws_server::topics! {
        pub News: "news" => String;
    }
}

ws_server::distinct_topics!(chat::Topics, lobby::Topics);
ws_server::distinct_topics!(chat::Topics, unnamed::News);

fn main() {}
