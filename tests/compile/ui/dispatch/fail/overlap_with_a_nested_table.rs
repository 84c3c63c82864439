use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

mod admin {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;

        user: "/users/{_name}/log" => super::Echo;
        all:  "/all"              => super::Echo;
    }
}

dispatch! {
    pub struct Routes;

    me:    "/admin/users/me/{_file}" => Echo;
    admin: "/admin"                 => use admin::Routes;
}

fn main() {
    let _ = (Routes::table(), Routes::admin(admin::Routes::all()));
}
