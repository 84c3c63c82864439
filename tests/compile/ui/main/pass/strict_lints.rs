//! Under every lint, from a macro, and with a raw name.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    single_use_lifetimes,
    clippy::pedantic,
    clippy::nursery
)]

macro_rules! program {
    ($(#[$attribute:meta])* $name:ident, $ty:ty, $body:block, $workers:literal) => {
        #[ws_server::main(workers = $workers)]
        $(#[$attribute])*
        async fn $name() -> $ty $body
    };
}

program!(#[inline] r#async, Result<u8, ()>, { Ok(std::future::ready(7).await) }, 1);

#[ws_server::main]
async fn main() {
    let seven = std::future::ready(7).await;
    std::thread::spawn(move || assert_eq!(r#async(), Ok(seven)))
        .join()
        .expect("an equal number");
}
