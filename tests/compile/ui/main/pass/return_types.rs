//! `main` returns nothing, a result, or some other way to end; `?` works in it.
#![deny(warnings)]

mod result {
    use std::error::Error;

    /// Attributes and visibility stay.
    #[ws_server::main]
    #[allow(non_snake_case)]
    pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
        let SEVEN: u8 = std::future::ready("7").await.parse()?;
        assert_eq!(SEVEN, 7);
        Ok(())
    }
}

mod some_trait {
    use std::process::{ExitCode, Termination};

    #[ws_server::main(workers = 1)]
    pub async fn main() -> impl Termination {
        ExitCode::SUCCESS
    }
}

mod value {
    #[ws_server::main(crate = ::ws_server, workers = 2)]
    pub async fn answer() -> u8 {
        std::future::ready(42).await
    }
}

mod no_prelude {
    #![no_implicit_prelude]

    #[::ws_server::main]
    pub async fn answer() -> u8 {
        ::std::future::ready(42).await
    }
}

#[ws_server::main]
pub(crate) async fn main() {
    // No runtime starts within another on one thread.
    std::thread::spawn(|| {
        result::main().unwrap();
        let _ = some_trait::main();
        assert_eq!(value::answer(), no_prelude::answer());
    })
    .join()
    .unwrap();
}
