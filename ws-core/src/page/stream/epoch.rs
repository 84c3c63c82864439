//! Which stream a page knows, and how far.

/// What a page's handshake says of the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    /// `None` where it knows of no epoch.
    pub(crate) position: Option<Position>,
    /// Names the script that runs in the page, where it says so.
    pub(crate) client: Option<u64>,
}

/// What a socket asks for that wants a page's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    /// The route that it comes by.
    pub(crate) route: usize,
    pub(crate) standing: Standing,
}

/// Where a page says that it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub(crate) epoch: Epoch,
    pub(crate) offset: u64,
}

/// Names one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Epoch {
    Ours(u64),
    /// Well-formed, and none that this library makes.
    Other,
}

/// An epoch as the protocol writes it.
pub(in crate::page) fn epoch_text(epoch: u64) -> String {
    format!("{epoch:016x}")
}

impl Epoch {
    /// Reads an epoch of the protocol: 1 to 32 characters, none that would be escaped.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=32).contains(&text.len()) || !text.bytes().all(plain) {
            return None;
        }
        let ours = u64::from_str_radix(text, 16).ok();
        let ours = ours.filter(|epoch| epoch_text(*epoch) == text);
        Some(ours.map_or(Self::Other, Self::Ours))
    }
}
