//! Every option, in each of its forms.

use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

dispatch! {
    struct Routes;

    sizes: "/sizes" => Echo {
        max_message: 16 KiB, outbox: 1MiB, read_ahead: 100 B, outbox_frames: 1_024, mailbox: 8,
        timers: 0, tasks: 0,
    };
    times: "/times" => Echo {
        ping: 25s, idle: 2 m, stall: 0.5s, stall_bytes: 1 KiB, init_timeout: 500ms, hook_timeout: 1h,
        close_timeout: 5s, terminate_timeout: 5s, rate: 100/m,
    };
    off: "/off" => Echo { ping: off, idle: off, rate: off, on_full: close };
    who: "/who" => Echo { require_session: true, require_page: false, origins: same };
    page: "/page" => Echo { attach: page };
    any: "/any" => Echo { require_session: false, origins: any, on_full: refuse };
    deflate: "/deflate" => Echo { deflate: true };
    plain: "/plain" => Echo { deflate: false, attach: page };
    list: "/list" => Echo {
        origins: [
            "https://a.example",
            "http://[::1]:8080",
            "https://*.preview.example:8443",
            "file://",
        ],
        protocols: ["v2.chat", "v1.chat"],
    };
}

pub(crate) fn main() {
    let _ = Routes::table();
}
