//! The end of a certificate's validity (RFC 5280, section 4.1.2.5).

/// Returns the end of the validity in seconds since 1970, or `None` if the certificate is malformed.
pub(super) fn not_after(certificate: &[u8]) -> Option<i64> {
    let mut outer = Der(certificate);
    let mut fields = outer.element(SEQUENCE)?;
    let mut fields = fields.element(SEQUENCE)?;
    if fields.0.first() == Some(&VERSION) {
        fields.element(VERSION)?;
    }
    fields.element(INTEGER)?; // the serial number
    fields.element(SEQUENCE)?; // the algorithm of the signature
    fields.element(SEQUENCE)?; // the issuer
    let mut validity = fields.element(SEQUENCE)?;
    validity.time()?; // its beginning
    validity.time()
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The tag `[0]`, explicit.
const VERSION: u8 = 0xa0;

/// Elements in the encoding DER.
struct Der<'a>(&'a [u8]);

impl Der<'_> {
    /// Takes the next element, which must have this tag.
    fn element(&mut self, tag: u8) -> Option<Self> {
        let (first, rest) = self.0.split_first()?;
        if *first != tag {
            return None;
        }
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Self(content))
    }

    /// Takes the next element, which must be a time.
    fn time(&mut self) -> Option<i64> {
        let tag = *self.0.first()?;
        let Self(text) = self.element(tag)?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = number(text, 2)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => number(text, 4)?,
            _ => return None,
        };
        let (month, rest) = number(rest, 2)?;
        let (day, rest) = number(rest, 2)?;
        let (hour, rest) = number(rest, 2)?;
        let (minute, rest) = number(rest, 2)?;
        let (second, rest) = number(rest, 2)?;
        let is_valid = (1..=12).contains(&month) && (1..=31).contains(&day) && rest == b"Z";
        let seconds = (hour * 60 + minute) * 60 + second;
        is_valid.then(|| days(year, month, day) * 86_400 + seconds)
    }
}

/// Reads a length of up to four bytes; the rest follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0..=0x7f => Some((usize::from(*first), rest)),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let add = |sum, digit: &u8| (sum << 8) | usize::from(*digit);
            Some((digits.iter().fold(0, add), rest))
        }
        _ => None,
    }
}

/// Reads a number of this many decimal digits; the rest follows it.
fn number(text: &[u8], digits: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(digits)?;
    let add = |sum, digit: &u8| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + i64::from(digit - b'0'))
    };
    Some((digits.iter().try_fold(0, add)?, rest))
}

/// The days since 1970 of a date in the Gregorian calendar. Years are counted from March, so that a
/// leap day is the last day of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_years = 365 * year + year / 4 - year / 100 + year / 400;
    let of_months = (153 * month + 2) / 5;
    of_years + of_months + day - 719_469
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    }

    fn certificate(tag: u8, end: &str, has_version: bool) -> Vec<u8> {
        let mut fields = Vec::new();
        if has_version {
            fields.extend(element(VERSION, &[2, 1, 2]));
        }
        fields.extend(element(INTEGER, &[7; 16]));
        fields.extend(element(SEQUENCE, b"algorithm"));
        fields.extend(element(SEQUENCE, b"issuer"));
        let begin = element(UTC_TIME, b"000101000000Z");
        let end = element(tag, end.as_bytes());
        fields.extend(element(SEQUENCE, &[begin, end].concat()));
        fields.extend(element(SEQUENCE, b"subject"));
        element(SEQUENCE, &element(SEQUENCE, &fields))
    }

    #[test]
    fn the_end_of_the_validity_is_found() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20240229120000Z", Some(1_709_208_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "241301000000Z", None),
            (UTC_TIME, "2401010000Z", None),
            (UTC_TIME, "240101000000+0100", None),
            (UTC_TIME, "24o101000000Z", None),
            (INTEGER, "700101000000Z", None),
        ] {
            for has_version in [true, false] {
                let certificate = certificate(tag, text, has_version);
                assert_eq!(not_after(&certificate), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_truncated_certificate_has_none() {
        let whole = certificate(UTC_TIME, "700101000000Z", true);
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = not_after(&bytes);
        }
    }
}
