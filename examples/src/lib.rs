//! What the examples share: the options of the command line, the listener, and text in HTML.

#![forbid(unsafe_code)]

use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// The error of an example: printed, and the end of it.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The options of an example.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Where to listen: `--listen ADDR`, 127.0.0.1:3030 by default.
    pub listen: String,
    /// Worker threads: `--workers N`, as many as there are cores by default.
    pub workers: Option<usize>,
    /// `--guarded`: keep the limits of the library.
    pub guarded: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:3030".to_owned(),
            workers: None,
            guarded: false,
        }
    }
}

impl Options {
    /// The options that the program was called with.
    ///
    /// # Errors
    ///
    /// Where there is an option or a value that no example knows.
    pub fn from_command_line() -> Result<Self> {
        Self::parse(std::env::args_os().skip(1))
    }

    fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self> {
        use lexopt::prelude::{Long, ValueExt};
        let mut options = Self::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("listen") => options.listen = parser.value()?.string()?,
                Long("workers") => options.workers = Some(parser.value()?.parse()?),
                Long("guarded") => options.guarded = true,
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    /// Binds the address.
    ///
    /// # Errors
    ///
    /// Where it is no address, or not free: the error names it.
    pub async fn bind(&self) -> Result<TcpListener> {
        let listener = TcpListener::bind(&self.listen).await;
        listener.map_err(|error| format!("cannot listen on {}: {error}", self.listen).into())
    }
}

/// Prints where the example is to be found.
///
/// # Errors
///
/// Where the listener has no address.
pub fn announce(listener: &TcpListener, path: &str) -> Result<SocketAddr> {
    let address = listener.local_addr()?;
    println!("http://{address}{path}");
    Ok(address)
}

/// The text as it stands in HTML, in the value of an attribute too.
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_have_defaults() {
        assert_eq!(parse("").unwrap(), Options::default());
    }

    #[test]
    fn options_are_read() {
        let options = parse("--listen [::1]:80 --workers 2 --guarded").unwrap();
        let listen = "[::1]:80".to_owned();
        assert_eq!(
            options,
            Options {
                listen,
                workers: Some(2),
                guarded: true
            }
        );
    }

    #[test]
    fn an_unknown_option_is_named() {
        assert_eq!(
            parse("--port 80").unwrap_err().to_string(),
            "invalid option '--port'"
        );
    }

    #[test]
    fn text_in_html_is_no_markup() {
        assert_eq!(
            escape(r#"<a href='x' id="é">&amp;"#),
            "&lt;a href=&#39;x&#39; id=&quot;é&quot;&gt;&amp;amp;"
        );
    }
}
