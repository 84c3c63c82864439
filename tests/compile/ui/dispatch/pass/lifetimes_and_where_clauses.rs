//! Handlers with lifetimes, bounds, where clauses and constants, named in full and by alias.
#![deny(warnings)]

use std::fmt::Debug;
use std::marker::PhantomData;

use ws_server::prelude::*;

struct Named<'n, T: ?Sized + 'n, const N: usize>
where
    &'n T: Debug,
{
    value: Option<&'n T>,
    last: [u8; N],
}

#[ws_handler]
impl<'n, T, const N: usize> Named<'n, T, N>
where
    T: ?Sized + Debug + Sync + 'n,
    &'n T: Debug,
    [u8; N]: Default,
{
    fn init(Path(_): Path<Of<T, N>>) -> Self {
        Self {
            value: None,
            last: Default::default(),
        }
    }

    fn message(&mut self, text: String) -> Vec<String> {
        vec![format!("{:?} {:?}", self.value, self.last), text]
    }

    async fn info(&mut self, value: &'static [u8; N], hub: &Hub) {
        std::future::ready(hub).await;
        self.last = *value;
    }
}

/// A parameter of many types.
struct Of<T: ?Sized, const N: usize>(PhantomData<fn(&T)>);

impl<T: ?Sized, const N: usize> std::str::FromStr for Of<T, N> {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        (text.len() == N).then_some(Of(PhantomData)).ok_or(())
    }
}

impl<T: ?Sized, const N: usize> std::fmt::Display for Of<T, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&"x".repeat(N))
    }
}

type Words = Named<'static, str, 3>;

const SIZE: usize = 4;

dispatch! {
    struct Routes;

    full: "/full/{id: Of<[u16], 2>}" => Named<'static, [u16], 2>;
    alias: "/alias/{id: Of<str, 3>}" => Words { mailbox: 3 };
    block: "/block/{id: Of<u8, 1>}" => Named<'static, u8, { SIZE - 3 }>;
    constant: "/constant/{id: Of<u8, SIZE>}" => Named<'static, u8, SIZE>;
}

pub(crate) fn main() {
    let _ = Routes::table();
    assert_eq!(Routes::full(Of(PhantomData)).to_string(), "/full/xx");
    assert_eq!(Routes::alias(Of(PhantomData)).to_string(), "/alias/xxx");
    assert_eq!(Routes::block(Of(PhantomData)).to_string(), "/block/x");
    assert_eq!(Routes::constant(Of(PhantomData)).to_string(), "/constant/xxxx");
}
