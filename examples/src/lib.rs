//! What the examples share: the options of the command line, the listener, and text in HTML.

#![forbid(unsafe_code)]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;

/// The error of an example: printed, and the end of it.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The options that an example has, besides `--help`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// `--listen ADDR`.
    Listen,
    /// `--workers N` and `--guarded` too, for load tools.
    Everything,
}

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

/// What the command line asks for.
#[derive(PartialEq, Eq, Debug)]
enum Asked {
    Run(Options),
    Help,
}

impl Options {
    /// The options that the program was called with. `--help` prints them, below these words on
    /// the example, and ends the process with status 0.
    ///
    /// # Errors
    ///
    /// If there is an option or a value that the example does not know.
    pub fn from_command_line(about: &str, takes: Takes) -> Result<Self> {
        let arguments = lexopt::Parser::from_env();
        let name = arguments.bin_name().map(Path::new);
        let name = name.and_then(|path| path.file_stem()?.to_str());
        let name = name.unwrap_or("example").to_owned();
        match Self::parse(arguments, takes)? {
            Asked::Run(options) => Ok(options),
            Asked::Help => {
                print!("{}", Self::help(&name, about, takes));
                std::process::exit(0)
            }
        }
    }

    fn parse(mut arguments: lexopt::Parser, takes: Takes) -> Result<Asked> {
        use lexopt::prelude::{Long, Short, ValueExt};
        let mut options = Self::default();
        let everything = takes == Takes::Everything;
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("listen") => options.listen = arguments.value()?.string()?,
                Long("workers") if everything => {
                    options.workers = Some(arguments.value()?.parse()?);
                }
                Long("guarded") if everything => options.guarded = true,
                Long("help") | Short('h') => return Ok(Asked::Help),
                other => return Err(format!("{}; try --help", other.unexpected()).into()),
            }
        }
        Ok(Asked::Run(options))
    }

    fn help(name: &str, about: &str, takes: Takes) -> String {
        let listen = Self::default().listen;
        let more = match takes {
            Takes::Listen => "",
            Takes::Everything => {
                "      --workers N    worker threads [default: one for each core]\n      \
                 --guarded      keep the limits per address and the check of origins\n"
            }
        };
        format!(
            "{about}\n\n\
             Usage: {name} [OPTIONS]\n\n\
             Options:\n      \
             --listen ADDR  the address to listen on [default: {listen}]\n\
             {more}  \
             -h, --help         print this text\n"
        )
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

    fn parse(line: &str, takes: Takes) -> Result<Asked> {
        Options::parse(lexopt::Parser::from_args(line.split_whitespace()), takes)
    }

    #[test]
    fn options_have_defaults() {
        for takes in [Takes::Listen, Takes::Everything] {
            let asked = parse("", takes).unwrap();
            assert_eq!(asked, Asked::Run(Options::default()));
        }
    }

    #[test]
    fn options_are_read() {
        let line = "--listen [::1]:80 --workers 2 --guarded";
        let expected = Options {
            listen: "[::1]:80".to_owned(),
            workers: Some(2),
            guarded: true,
        };
        let asked = parse(line, Takes::Everything).unwrap();
        assert_eq!(asked, Asked::Run(expected));
    }

    #[test]
    fn an_option_that_an_example_does_not_have_is_named() {
        let error = |line, takes| parse(line, takes).unwrap_err().to_string();
        let unknown = "invalid option '--port'; try --help";
        assert_eq!(error("--port 80", Takes::Everything), unknown);
        let unused = "invalid option '--workers'; try --help";
        assert_eq!(error("--workers 2", Takes::Listen), unused);
    }

    #[test]
    fn help_lists_the_options_with_their_defaults() {
        for line in ["--help", "-h", "--listen [::1]:80 --help"] {
            assert_eq!(parse(line, Takes::Listen).unwrap(), Asked::Help);
        }
        let expected = "Echoes.\n\n\
                        Usage: echo [OPTIONS]\n\n\
                        Options:\n      \
                        --listen ADDR  the address to listen on [default: 127.0.0.1:3030]\n      \
                        --workers N    worker threads [default: one for each core]\n      \
                        --guarded      keep the limits per address and the check of origins\n  \
                        -h, --help         print this text\n";
        assert_eq!(
            Options::help("echo", "Echoes.", Takes::Everything),
            expected
        );
        assert!(!Options::help("echo", "Echoes.", Takes::Listen).contains("--workers"));
    }

    #[test]
    fn text_in_html_is_no_markup() {
        assert_eq!(
            escape(r#"<a href='x' id="é">&amp;"#),
            "&lt;a href=&#39;x&#39; id=&quot;é&quot;&gt;&amp;amp;"
        );
    }
}
