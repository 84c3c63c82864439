//! Which texts the parameter types of the standard library accept, known at compile time.

/// Whether a type may accept a text. Unknown types are assumed to accept every text.
pub(super) const fn may_parse(ty: &str, text: &str) -> bool {
    let text = text.as_bytes();
    match ty.as_bytes() {
        b"u8" => integer(text, u8::MAX as u128, None),
        b"u16" => integer(text, u16::MAX as u128, None),
        b"u32" => integer(text, u32::MAX as u128, None),
        b"u64" | b"usize" => integer(text, u64::MAX as u128, None),
        b"u128" => integer(text, u128::MAX, None),
        b"i8" => integer(text, i8::MAX as u128, Some(1 << 7)),
        b"i16" => integer(text, i16::MAX as u128, Some(1 << 15)),
        b"i32" => integer(text, i32::MAX as u128, Some(1 << 31)),
        b"i64" | b"isize" => integer(text, i64::MAX as u128, Some(1 << 63)),
        b"i128" => integer(text, i128::MAX as u128, Some(1 << 127)),
        b"f32" | b"f64" => float(text),
        b"bool" => matches!(text, b"true" | b"false"),
        b"char" => is_one_character(text),
        _ => true,
    }
}

/// A number below 16 that is equal for types that accept the same texts; 0 for unknown types.
pub(super) const fn parser_number(ty: &str) -> u128 {
    match ty.as_bytes() {
        b"u8" => 1,
        b"u16" => 2,
        b"u32" => 3,
        b"u64" | b"usize" => 4,
        b"u128" => 5,
        b"i8" => 6,
        b"i16" => 7,
        b"i32" => 8,
        b"i64" | b"isize" => 9,
        b"i128" => 10,
        b"f32" | b"f64" => 11,
        b"bool" => 12,
        b"char" => 13,
        _ => 0,
    }
}

/// A text that a type of the standard library accepts.
pub(super) const fn sample(ty: &str) -> Option<&'static str> {
    match ty.as_bytes() {
        b"u8" | b"u16" | b"u32" | b"u64" | b"u128" | b"usize" | b"i8" | b"i16" | b"i32"
        | b"i64" | b"i128" | b"isize" | b"f32" | b"f64" | b"char" => Some("7"),
        b"bool" => Some("true"),
        _ => None,
    }
}

/// Whether the text is an integer up to `max`, or down to minus `min_magnitude` if the type is
/// signed.
const fn integer(text: &[u8], max: u128, min_magnitude: Option<u128>) -> bool {
    let (digits, max) = match (text, min_magnitude) {
        ([b'+', digits @ ..], _) => (digits, max),
        ([b'-', digits @ ..], Some(min_magnitude)) => (digits, min_magnitude),
        _ => (text, max),
    };
    if digits.is_empty() {
        return false;
    }
    let mut number: u128 = 0;
    let mut at = 0;
    while at < digits.len() {
        if !digits[at].is_ascii_digit() {
            return false;
        }
        let Some(tens) = number.checked_mul(10) else {
            return false;
        };
        let Some(next) = tens.checked_add((digits[at] - b'0') as u128) else {
            return false;
        };
        number = next;
        at += 1;
    }
    number <= max
}

/// Whether `f64` can parse the text.
const fn float(text: &[u8]) -> bool {
    let text = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    if text.eq_ignore_ascii_case(b"inf")
        || text.eq_ignore_ascii_case(b"infinity")
        || text.eq_ignore_ascii_case(b"nan")
    {
        return true;
    }
    let before = digits(text, 0);
    let mut at = before;
    let mut count = before;
    if at < text.len() && text[at] == b'.' {
        let end = digits(text, at + 1);
        count += end - at - 1;
        at = end;
    }
    if count == 0 {
        return false;
    }
    if at < text.len() && matches!(text[at], b'e' | b'E') {
        at += 1;
        if at < text.len() && matches!(text[at], b'+' | b'-') {
            at += 1;
        }
        let end = digits(text, at);
        if end == at {
            return false;
        }
        at = end;
    }
    at == text.len()
}

/// The end of the digits that start here.
const fn digits(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at].is_ascii_digit() {
        at += 1;
    }
    at
}

/// Whether UTF-8 text consists of one character.
const fn is_one_character(text: &[u8]) -> bool {
    let (mut at, mut count) = (0, 0);
    while at < text.len() {
        // All bytes of a character except the first start with the bits 10.
        if text[at] & 0xc0 != 0x80 {
            count += 1;
        }
        at += 1;
    }
    count == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result of parsing with the type itself.
    fn parses(ty: &str, text: &str) -> bool {
        match ty {
            "u8" => text.parse::<u8>().is_ok(),
            "u16" => text.parse::<u16>().is_ok(),
            "u32" => text.parse::<u32>().is_ok(),
            "u64" => text.parse::<u64>().is_ok(),
            "u128" => text.parse::<u128>().is_ok(),
            "i8" => text.parse::<i8>().is_ok(),
            "i16" => text.parse::<i16>().is_ok(),
            "i32" => text.parse::<i32>().is_ok(),
            "i64" => text.parse::<i64>().is_ok(),
            "i128" => text.parse::<i128>().is_ok(),
            "f64" => text.parse::<f64>().is_ok(),
            "bool" => text.parse::<bool>().is_ok(),
            "char" => text.parse::<char>().is_ok(),
            other => panic!("{other}"),
        }
    }

    const TYPES: [&str; 13] = [
        "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f64", "bool", "char",
    ];

    #[test]
    fn a_sample_is_parsed_by_its_type() {
        for ty in TYPES {
            assert!(parses(ty, sample(ty).unwrap()), "{ty}");
        }
        assert_eq!(sample("UserId"), None);
        assert!(may_parse("UserId", "anything"));
    }

    #[test]
    fn the_limits_of_the_types_are_known() {
        for text in [
            "",
            "+",
            "-",
            "-0",
            "+7",
            "007",
            "127",
            "128",
            "-128",
            "-129",
            "255",
            "256",
            "65535",
            "65536",
            "true",
            "TRUE",
            "ß",
            "\u{1f600}",
            "ab",
            ".",
            "1.",
            ".5",
            "1.5e3",
            "1e",
            "e5",
            "1e+",
            "inf",
            "-Infinity",
            "NaN",
            "infi",
            "1_000",
            "0x1",
            "+-1",
            "340282366920938463463374607431768211455",
            "340282366920938463463374607431768211456",
            "-170141183460469231731687303715884105728",
            "-170141183460469231731687303715884105729",
        ] {
            for ty in TYPES {
                assert_eq!(may_parse(ty, text), parses(ty, text), "{ty} of {text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn may_parse_agrees_with_parsing(
            text in "[-+]?[0-9]{0,6}[.]?[0-9]{0,3}([eE][-+]?[0-9]{0,2})?|[a-z]{0,5}|\\PC{0,2}"
        ) {
            for ty in TYPES {
                prop_assert_eq!(may_parse(ty, &text), parses(ty, &text), "{} of {:?}", ty, text);
            }
        }
    }
}
