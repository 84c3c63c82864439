//! A wrong body is reported as in any function.

#[ws_server::main]
async fn main() -> Result<(), std::num::ParseIntError> {
    let number: u8 = "7".parse()?;
    number
}
