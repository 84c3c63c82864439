//! Types of the language that are misspelt in a path.
//!
//! The compiler would find the same, but on stable Rust a literal has one span: its suggestion would
//! replace the whole path by the type.

use syn::{PathArguments, Type};

/// All types of the language that can be parameters.
const TYPES: [&str; 17] = [
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
    "f64", "bool", "char", "String",
];

/// The type that was meant, if this is one word in lower case that only nearly names one.
pub fn meant(ty: &Type) -> Option<&'static str> {
    let Type::Path(path) = ty else {
        return None;
    };
    let word = path.path.segments.first()?;
    let is_word = path.qself.is_none()
        && path.path.leading_colon.is_none()
        && path.path.segments.len() == 1
        && matches!(word.arguments, PathArguments::None);
    let name = word.ident.to_string();
    let is_other = name.contains(|c: char| c.is_uppercase()) || TYPES.contains(&&*name);
    if !is_word || is_other || name == "str" {
        return None;
    }
    let distance = |known: &str| strsim::damerau_levenshtein(&name, &known.to_lowercase());
    let most = name.len().max(3) / 3;
    let near = TYPES.into_iter().filter(|known| distance(known) <= most);
    near.min_by_key(|known| (distance(known), letters(known) != letters(&name)))
}

/// The letters of a word, in the order of the alphabet.
fn letters(word: &str) -> Vec<char> {
    let mut letters: Vec<_> = word.chars().collect();
    letters.sort_unstable();
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(written: &str) -> Option<&'static str> {
        meant(&syn::parse_str(written).unwrap())
    }

    #[test]
    fn a_word_that_is_nearly_a_type_of_the_language_is_misspelt() {
        for (written, expected) in [
            ("u46", "u64"),
            ("u6", "u8"),
            ("i31", "i32"),
            ("string", "String"),
            ("boool", "bool"),
            ("id", "i8"),
        ] {
            assert_eq!(of(written), Some(expected), "{written}");
        }
    }

    #[test]
    fn other_types_are_not_misspelt() {
        for written in [
            "u64",
            "String",
            "str",
            "RoomId",
            "U46",
            "room_id",
            "self::u46",
            "::id",
            "ux::u24",
            "u46<u8>",
            "seat",
        ] {
            assert_eq!(of(written), None, "{written}");
        }
    }
}
