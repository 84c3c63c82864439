//! Code that the examples share: command-line options, the listener, and HTML escaping.

#![forbid(unsafe_code)]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;

use listenfd::ListenFd;
use tokio::net::TcpListener;

/// The error of an example. `main` prints it and exits.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The options that an example supports, besides `--help`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OptionSet {
    /// `--listen ADDR`.
    Listen,
    /// `--workers N` and `--guarded` too, for load tools.
    All,
}

/// The values of the options.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The address to listen on: `--listen ADDR`, 127.0.0.1:3030 by default.
    pub listen: String,
    /// The number of worker threads: `--workers N`, one for each core by default.
    pub workers: Option<usize>,
    /// `--guarded`: keep the library's limits per address and its origin check.
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

/// A parsed command line.
#[derive(PartialEq, Eq, Debug)]
enum Parsed {
    Run(Options),
    Help,
}

impl Options {
    /// Reads the options from the command line. For `--help`, prints `about` and the options, and
    /// exits with status 0.
    ///
    /// # Errors
    ///
    /// If the example does not support an option, or a value is invalid.
    pub fn from_command_line(about: &str, set: OptionSet) -> Result<Self> {
        let arguments = lexopt::Parser::from_env();
        let name = arguments.bin_name().map(Path::new);
        let name = name.and_then(|path| path.file_stem()?.to_str());
        let name = name.unwrap_or("example").to_owned();
        match Self::parse(arguments, set)? {
            Parsed::Run(options) => Ok(options),
            Parsed::Help => {
                print!("{}", Self::help(&name, about, set));
                std::process::exit(0)
            }
        }
    }

    fn parse(mut arguments: lexopt::Parser, set: OptionSet) -> Result<Parsed> {
        use lexopt::prelude::{Long, Short, ValueExt};
        let mut options = Self::default();
        let all = set == OptionSet::All;
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("listen") => options.listen = arguments.value()?.string()?,
                Long("workers") if all => {
                    options.workers = Some(arguments.value()?.parse()?);
                }
                Long("guarded") if all => options.guarded = true,
                Long("help") | Short('h') => return Ok(Parsed::Help),
                other => return Err(format!("{}; try --help", other.unexpected()).into()),
            }
        }
        Ok(Parsed::Run(options))
    }

    fn help(name: &str, about: &str, set: OptionSet) -> String {
        let listen = Self::default().listen;
        let more = match set {
            OptionSet::Listen => "",
            OptionSet::All => {
                "      --workers N    worker threads [default: one for each core]\n      \
                 --guarded      keep the limits per address and the origin check\n"
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

    /// Binds the address, unless systemd passes a socket (`LISTEN_FDS`, `sd_listen_fds(3)`).
    ///
    /// # Errors
    ///
    /// If the address is invalid or in use. The error contains the address.
    pub async fn bind(&self) -> Result<TcpListener> {
        if let Some(inherited) = ListenFd::from_env().take_tcp_listener(0)? {
            inherited.set_nonblocking(true)?;
            return Ok(TcpListener::from_std(inherited)?);
        }
        let listener = TcpListener::bind(&self.listen).await;
        listener.map_err(|error| format!("cannot listen on {}: {error}", self.listen).into())
    }
}

/// Prints the URL of the example, and reports to systemd that it is ready.
///
/// # Errors
///
/// If the listener has no address, or systemd cannot be notified.
pub fn announce(listener: &TcpListener, path: &str) -> Result<SocketAddr> {
    let address = listener.local_addr()?;
    println!("http://{address}{path}");
    notify_ready()?;
    Ok(address)
}

/// Reports to systemd that the service is ready (`Type=notify`, `sd_notify(3)`).
///
/// # Errors
///
/// If the socket of `NOTIFY_SOCKET` cannot be used.
#[cfg(target_os = "linux")]
pub fn notify_ready() -> Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let Ok(name) = std::env::var("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address)?;
    Ok(())
}

/// Other systems have no systemd.
///
/// # Errors
///
/// None.
#[cfg(not(target_os = "linux"))]
pub fn notify_ready() -> Result<()> {
    Ok(())
}

/// Escapes a text for HTML, including the values of attributes.
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

    fn parse(line: &str, set: OptionSet) -> Result<Parsed> {
        Options::parse(lexopt::Parser::from_args(line.split_whitespace()), set)
    }

    #[test]
    fn options_have_defaults() {
        for set in [OptionSet::Listen, OptionSet::All] {
            let parsed = parse("", set).unwrap();
            assert_eq!(parsed, Parsed::Run(Options::default()));
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
        let parsed = parse(line, OptionSet::All).unwrap();
        assert_eq!(parsed, Parsed::Run(expected));
    }

    #[test]
    fn the_error_names_an_unknown_option() {
        let error = |line, set| parse(line, set).unwrap_err().to_string();
        let unknown = "invalid option '--port'; try --help";
        assert_eq!(error("--port 80", OptionSet::All), unknown);
        let unused = "invalid option '--workers'; try --help";
        assert_eq!(error("--workers 2", OptionSet::Listen), unused);
    }

    #[test]
    fn help_lists_the_options_with_their_defaults() {
        for line in ["--help", "-h", "--listen [::1]:80 --help"] {
            assert_eq!(parse(line, OptionSet::Listen).unwrap(), Parsed::Help);
        }
        let expected = "Echoes.\n\n\
                        Usage: echo [OPTIONS]\n\n\
                        Options:\n      \
                        --listen ADDR  the address to listen on [default: 127.0.0.1:3030]\n      \
                        --workers N    worker threads [default: one for each core]\n      \
                        --guarded      keep the limits per address and the origin check\n  \
                        -h, --help         print this text\n";
        assert_eq!(Options::help("echo", "Echoes.", OptionSet::All), expected);
        assert!(!Options::help("echo", "Echoes.", OptionSet::Listen).contains("--workers"));
    }

    #[test]
    fn escaped_text_contains_no_markup() {
        assert_eq!(
            escape(r#"<a href='x' id="é">&amp;"#),
            "&lt;a href=&#39;x&#39; id=&quot;é&quot;&gt;&amp;amp;"
        );
    }
}
