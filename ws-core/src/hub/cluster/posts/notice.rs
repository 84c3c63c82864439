//! The entries of POSTs and of their outcomes.

use bytes::Bytes;

use super::Outcome;
use super::token::StreamAddress;
use crate::hub::PostError;
use crate::log::shared::Incarnation;

/// Bytes of a POST before its body.
const HEAD: usize = 8 + 8 + 8 + StreamAddress::BYTES;

/// A POST for a stream of another server:
///
/// | part | bytes |
/// |---|---|
/// | the server | 8 |
/// | the request, a number of the author | 8 |
/// | the number of the POST among those of its stream; 0 if it has none | 8 |
/// | the address of the stream | 32 |
/// | the body | the rest |
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PostNotice {
    pub(super) to: Incarnation,
    pub(super) request: u64,
    pub(super) number: Option<u64>,
    pub(super) stream: StreamAddress,
    pub(super) body: Bytes,
}

/// What became of a POST: the server that has passed it on (8 bytes), its number of the request (8), and
/// the outcome (1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OutcomeNotice {
    pub(super) to: Incarnation,
    pub(super) request: u64,
    pub(super) outcome: Outcome,
}

/// All outcomes. The code of one is its place.
const OUTCOMES: [Outcome; 4] = [
    Ok(()),
    Err(PostError::Busy),
    Err(PostError::Ended),
    Err(PostError::Unavailable),
];

/// A later version has written the entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::hub::cluster) struct UnknownPost;

impl PostNotice {
    pub(super) fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(HEAD + self.body.len());
        let number = self.number.unwrap_or_default();
        for number in [self.to.0, self.request, number] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(self.stream.as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }

    /// Reads an entry; the body shares its memory.
    pub(super) fn read(content: &Bytes) -> Result<Self, UnknownPost> {
        let (head, _) = content.split_first_chunk::<HEAD>().ok_or(UnknownPost)?;
        let (numbers, stream) = head.split_first_chunk::<24>().ok_or(UnknownPost)?;
        let [to, request, number] = numbers_of(numbers);
        Ok(Self {
            to: Incarnation(to),
            request,
            number: Some(number).filter(|number| *number > 0),
            stream: StreamAddress::read(stream).ok_or(UnknownPost)?,
            body: content.slice(HEAD..),
        })
    }
}

impl OutcomeNotice {
    pub(super) fn to_bytes(self) -> Bytes {
        let mut bytes = Vec::with_capacity(17);
        bytes.extend_from_slice(&self.to.0.to_be_bytes());
        bytes.extend_from_slice(&self.request.to_be_bytes());
        bytes.push(code(self.outcome));
        bytes.into()
    }

    pub(super) fn read(content: &[u8]) -> Result<Self, UnknownPost> {
        let content: &[u8; 17] = content.try_into().map_err(|_| UnknownPost)?;
        let (numbers, code) = content.split_first_chunk::<16>().ok_or(UnknownPost)?;
        let [to, request] = numbers_of(numbers);
        Ok(Self {
            to: Incarnation(to),
            request,
            outcome: *OUTCOMES.get(usize::from(code[0])).ok_or(UnknownPost)?,
        })
    }
}

/// The numbers in these bytes, of eight each.
fn numbers_of<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *number = u64::from_be_bytes(*bytes);
    }
    numbers
}

/// The place of an outcome in [`OUTCOMES`].
const fn code(outcome: Outcome) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(PostError::Busy) => 1,
        Err(PostError::Ended) => 2,
        Err(PostError::Unavailable) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_read_as_it_was_written_and_no_shorter() {
        let mut post = PostNotice {
            to: Incarnation(7),
            request: 8,
            number: Some(u64::MAX),
            stream: StreamAddress::read(&[9; StreamAddress::BYTES]).unwrap(),
            body: "{}\n{}".into(),
        };
        for number in [post.number, None] {
            post.number = number;
            assert_eq!(PostNotice::read(&post.to_bytes()), Ok(post.clone()));
        }
        post.body = Bytes::new();
        let bytes = post.to_bytes();
        assert_eq!(PostNotice::read(&bytes), Ok(post));
        for cut in 0..bytes.len() {
            assert_eq!(PostNotice::read(&bytes.slice(..cut)), Err(UnknownPost));
        }
    }

    #[test]
    fn an_outcome_is_read_as_it_was_written_and_others_are_not() {
        for outcome in OUTCOMES {
            let notice = OutcomeNotice {
                to: Incarnation(7),
                request: 8,
                outcome,
            };
            let mut bytes = notice.to_bytes().to_vec();
            assert_eq!(OutcomeNotice::read(&bytes), Ok(notice));
            assert_eq!(OutcomeNotice::read(&bytes[..16]), Err(UnknownPost));
            bytes[16] = 4;
            assert_eq!(OutcomeNotice::read(&bytes), Err(UnknownPost));
            bytes.push(0);
            assert_eq!(OutcomeNotice::read(&bytes), Err(UnknownPost));
        }
    }
}
