use ws_server::prelude::*;

struct Dash;

#[ws_handler]
impl Dash {
    fn init() -> Self {
        Dash
    }
}

struct Paged;

#[ws_handler]
impl Paged {
    fn init(_: Page, _: Session) -> Self {
        Paged
    }

    async fn message(&mut self, text: String, _: Page) -> String {
        text
    }
}

struct Numbered;

#[ws_handler]
impl Numbered {
    fn init(Path(_): Path<u64>, _: Page) -> Result<Self, Refusal> {
        Err(Refusal::FORBIDDEN)
    }
}

struct Generic<T>(T);

#[ws_handler]
impl<T: Default + Send + 'static> Generic<T> {
    fn init() -> Self {
        Generic(T::default())
    }
}

mod inner {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;
        defaults { attach: page, ping: 20s, idle: 40s }

        plain: "/plain" => super::Dash { deflate: true };
        open: "/open" => super::Paged;
    }
}

dispatch! {
    struct Routes;
    defaults { require_session: false, require_page: false }

    open: "/open" => Dash;
    dash: "/dash/{id: u64}" => Numbered {
        attach: page, require_session: true, require_page: true, rate: 20/s, on_full: refuse,
        origins: any, cross_site: "a test", max_message: 16 KiB,
    };
    #[deprecated]
    old: "/old" => Generic<u8> { require_page: true, require_session: true, attach: page };
    inner: "/inner" => use inner::Routes;
}

pub(crate) fn main() {
    let _ = Routes::table();
}
