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

const _: () = ws_server::topic::assert_distinct::<(chat::Topics, lobby::Topics)>();
const _: () = ws_server::topic::assert_distinct::<(chat::Topics, unnamed::News)>();

fn main() {}
