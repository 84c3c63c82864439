//! Which names users and rooms may have.

/// The longest name of a user or of a room, in characters. The reason of a Close frame, which
/// contains a user's name, has room for it.
pub(crate) const MAX_NAME: usize = 24;

/// Whether a user may have this name: Latin letters, digits, single spaces, and `-`, `_` and `.`.
///
/// Users know each other by these names, so no name may look like another. With the letters of all
/// scripts, with combining marks or with invisible characters, many would.
pub(crate) fn is_user(name: &str) -> bool {
    let len = name.chars().count();
    let has_single_spaces = name.trim() == name && !name.contains("  ");
    (1..=MAX_NAME).contains(&len) && has_single_spaces && name.chars().all(may_be_in_name)
}

fn may_be_in_name(character: char) -> bool {
    let is_latin_1 = matches!(character, 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ÿ');
    is_latin_1 || character.is_ascii_alphanumeric() || " -_.".contains(character)
}

/// Whether a room may have this name. It needs no escaping, in HTML or in a URL.
pub(crate) fn is_room(name: &str) -> bool {
    let is_allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}
