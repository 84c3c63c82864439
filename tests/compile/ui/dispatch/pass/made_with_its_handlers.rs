//! Handlers, states, parameters and tables that one macro of the user writes together, from
//! fragments of every kind.
#![deny(warnings)]

use ws_server::{prelude::*, route::Table};

macro_rules! service {
    (
        $(#[$doc:meta])*
        $vis:vis $table:ident in $module:ident over $state:ty = $made:expr;
        $(
            $(#[$attribute:meta])*
            $route:ident $path:literal $({ $($option:ident: $value:tt),* })?
                ($argument:pat => $payload:ty) -> $reply:ty $body:block
        )*
        ; $(nested $nested:ident $prefix:literal $inner:path;)*
    ) => {
        mod $module {
            use super::*;

            $(
                pub mod $route {
                    use super::*;

                    pub struct It;

                    #[ws_handler]
                    impl It {
                        fn init(_: State<$state>) -> Self {
                            It
                        }

                        async fn message(&mut self, $argument: $payload, _: &Hub) -> $reply $body

                        fn info(&mut self, _: $payload, socket: &Socket<Self>) -> $reply {
                            let _ = socket;
                            service!(@end $reply)
                        }
                    }
                }
            )*

            dispatch! {
                $(#[$doc])*
                $vis struct $table;
                state: $state;

                $(
                    $(#[$attribute])*
                    $route: $path => $route::It $({ $($option: $value),* })?;
                )*
                $($nested: $prefix => use $inner;)*
            }

            #[allow(dead_code)]
            pub fn state() -> $state {
                $made
            }
        }
    };
    (@end $reply:ty) => {
        <$reply as Default>::default()
    };
}

service! {
    /// The inner table.
    pub Inner in inner over Number = Number(1);

    plain "/plain" (text => String) -> String { text }
    ;
}

service! {
    pub Routes in outer over (u8, Vec<String>) = (1, Vec::new());

    /// Documented.
    words "/words/{_name}" { mailbox: 8, require_session: false } (text => String) -> Vec<String> {
        vec![text]
    }
    #[cfg(all())]
    bytes "/bytes/{_id: u64}/{*_rest}" { origins: same, protocols: ["a", "b"] }
        (Json((first, ..)) => Json<(u8, u8)>) -> Option<String> { Some(first.to_string()) }

    ;
    nested inner "/inner" crate::inner::Inner;
}

#[derive(Clone)]
struct Number(u8);

impl FromRef<(u8, Vec<String>)> for Number {
    fn from_ref(state: &(u8, Vec<String>)) -> Self {
        Number(state.0)
    }
}

macro_rules! parameters {
    ($name:ident { $($field:ident: $ty:ty),* }, $table:ident, $route:ident, $path:literal) => {
        #[derive(PathParams)]
        struct $name {
            $($field: $ty),*
        }

        struct Placed;

        #[ws_handler]
        impl Placed {
            fn init(Path($name { $($field: _),* }): Path<$name>) -> Self {
                Placed
            }
        }

        dispatch! {
            struct $table;

            $route: $path => Placed;
        }
    };
}

parameters!(
    Place {
        id: u64,
        name: String
    },
    Places,
    place,
    "/{name}/{id: u64}"
);

macro_rules! parts {
    ($name:ident { $($field:ident: $ty:ty),* }) => {
        #[derive(Clone, FromRef)]
        struct $name {
            $($field: $ty),*
        }
    };
}

parts!(App { name: String, numbers: Vec<u8> });

fn main() {
    let _: Table<(u8, Vec<String>)> = outer::Routes::table();
    assert_eq!(Number::from_ref(&outer::state()).0, inner::state().0);
    assert_eq!(outer::Routes::words("x").to_string(), "/words/x");
    assert_eq!(outer::Routes::bytes(7, "a/b").to_string(), "/bytes/7/a/b");
    let url = outer::Routes::inner(inner::Inner::plain());
    assert_eq!(url.to_string(), "/inner/plain");
    let _ = Places::table();
    assert_eq!(Places::place("x", 7).to_string(), "/x/7");
    let app = App {
        name: "n".to_owned(),
        numbers: vec![1],
    };
    assert_eq!(
        (String::from_ref(&app), Vec::<u8>::from_ref(&app)),
        ("n".to_owned(), vec![1])
    );
}
