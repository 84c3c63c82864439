//! Which names users and rooms may have.

/// The longest name of a user or of a room, in characters. The reason of a Close frame, which
/// contains a user's name, has room for it.
pub(crate) const MAX_NAME: usize = 24;

/// Whether a user may have this name.
pub(crate) fn is_user(name: &str) -> bool {
    let len = name.chars().count();
    (1..=MAX_NAME).contains(&len) && name.trim() == name && !name.contains(char::is_control)
}

/// Whether a room may have this name. It needs no escaping, in HTML or in a URL.
pub(crate) fn is_room(name: &str) -> bool {
    let is_allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}
