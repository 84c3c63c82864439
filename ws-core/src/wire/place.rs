//! Places in the log, as pages see and return them.

use std::fmt;

use super::LARGEST_NUMBER;

/// A place in one lane of the log: the member `at` of an event, and a part of the parameter `at`.
///
/// As text: `LANE.TIME.SEQUENCE.INDEX`, or only `LANE` for an unknown place, while a replay is not
/// complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LanePlace {
    pub(crate) lane: u16,
    pub(crate) place: Option<EntryPlace>,
}

/// The numbers of a place within a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryPlace {
    pub(crate) time: u64,
    pub(crate) sequence: u64,
    pub(crate) index: u16,
}

/// The text is no list of places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct InvalidPlaces;

impl fmt::Display for LanePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.lane)?;
        match self.place {
            Some(EntryPlace {
                time,
                sequence,
                index,
            }) => write!(f, ".{time}.{sequence}.{index}"),
            None => Ok(()),
        }
    }
}

impl LanePlace {
    fn parse(text: &str) -> Result<Self, InvalidPlaces> {
        let mut parts = text.split('.');
        let lane = number(parts.next(), u16::MAX.into())?;
        let place = match parts.next() {
            None => None,
            time => Some(EntryPlace {
                time: number(time, LARGEST_NUMBER)?,
                sequence: number(parts.next(), LARGEST_NUMBER)?,
                index: small(number(parts.next(), u16::MAX.into())?),
            }),
        };
        let lane = small(lane);
        parts
            .next()
            .map_or(Ok(Self { lane, place }), |_| Err(InvalidPlaces))
    }
}

fn small(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Parses a number in its only form: without sign and without leading zeros.
fn number(text: Option<&str>, max: u64) -> Result<u64, InvalidPlaces> {
    let text = text.ok_or(InvalidPlaces)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|it| is_plain && *it <= max);
    let is_shortest = text == "0" || !text.starts_with('0');
    number.filter(|_| is_shortest).ok_or(InvalidPlaces)
}

/// Parses the parameter `at`: the places of at most `max` lanes, each once, separated by `-`.
pub(crate) fn parse_places(text: &str, max: usize) -> Result<Vec<LanePlace>, InvalidPlaces> {
    let mut places: Vec<LanePlace> = Vec::new();
    if text.is_empty() {
        return Ok(places);
    }
    for part in text.split('-') {
        let place = LanePlace::parse(part)?;
        let is_known = places.iter().any(|known| known.lane == place.lane);
        if is_known || places.len() >= max {
            return Err(InvalidPlaces);
        }
        places.push(place);
    }
    Ok(places)
}

/// Formats the parameter `at`.
#[cfg(any(test, fuzzing))]
pub(crate) fn format_places(places: &[LanePlace]) -> String {
    let texts: Vec<_> = places.iter().map(ToString::to_string).collect();
    texts.join("-")
}

/// Checks that places, if the text is a list of some, are unchanged by formatting and parsing.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_round_trip(text: &str) {
    if let Ok(places) = parse_places(text, 16) {
        assert_eq!(format_places(&places), text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_text_of_places_is_unique(text in "[0-9.\\-]{0,24}") {
            check_round_trip(&text);
        }
    }

    #[test]
    fn places_are_parsed_and_formatted() {
        let places = parse_places("7.1700000000000.5.17-0-3.0.1.0", 3).unwrap();
        let last = EntryPlace {
            time: 0,
            sequence: 1,
            index: 0,
        };
        assert_eq!(places.len(), 3);
        assert_eq!(
            places[1],
            LanePlace {
                lane: 0,
                place: None
            }
        );
        assert_eq!(places[2].place, Some(last));
        assert_eq!(format_places(&places), "7.1700000000000.5.17-0-3.0.1.0");
        assert_eq!(parse_places("", 3), Ok(Vec::new()));
    }

    #[test]
    fn other_text_is_refused() {
        let many = "0-1-2-3";
        for text in [
            "x",
            "-",
            "1-",
            "1--2",
            "1-1",
            "1.2",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.",
            "01.2.3.4",
            "+1.2.3.4",
            "1.2.3.65536",
            "65536",
            "1.9007199254740992.0.0",
            "1.2.3.4 ",
            many,
        ] {
            assert_eq!(parse_places(text, 3), Err(InvalidPlaces), "{text}");
        }
    }
}
