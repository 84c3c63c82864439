//! Attributes that stand within the body hold for the body.
#![deny(warnings)]

mod result {
    #[ws_server::main]
    #[inline]
    pub async fn answer() -> Result<u8, ()> {
        #![allow(non_snake_case)]
        //! The answer.

        let SEVEN = std::future::ready(7).await;
        Ok(SEVEN)
    }
}

#[ws_server::main(workers = 1)]
pub(crate) async fn main() {
    #![allow(non_snake_case)]

    let SEVEN = std::future::ready(Ok(7)).await;
    std::thread::spawn(move || assert_eq!(result::answer(), SEVEN))
        .join()
        .unwrap();
}
