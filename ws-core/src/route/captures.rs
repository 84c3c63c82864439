//! The parameters of a matched route, before they are parsed.

use super::Segment;
use super::path::{InvalidEncoding, Segments, decode};
use crate::extract::Params;

/// The values of a route's parameters, borrowed from the path if possible, so that routing
/// allocates nothing. [`into_params`](Self::into_params) copies them.
#[derive(Debug)]
pub struct Captures<'p> {
    values: Values<'p>,
}

#[derive(Debug)]
enum Values<'p> {
    InPath {
        names: &'static [&'static str],
        pattern: &'static [Segment],
        path: Segments<'p>,
    },
    /// The path had escapes or empty segments.
    Decoded(Params),
}

impl<'p> Captures<'p> {
    /// The captures of a route without parameters.
    pub(super) const NONE: Self = Self::in_path(&[], &[], Segments::EMPTY);

    /// Captures the values from the rest of a plain path that the pattern matches.
    pub(super) const fn in_path(
        names: &'static [&'static str],
        pattern: &'static [Segment],
        path: Segments<'p>,
    ) -> Self {
        let values = Values::InPath {
            names,
            pattern,
            path,
        };
        Self { values }
    }

    /// Decodes and captures the values of a path with escapes.
    pub(super) fn decoded(
        names: &'static [&'static str],
        pattern: &'static [Segment],
        path: Segments<'_>,
    ) -> Result<Self, InvalidEncoding> {
        let values = path.values(pattern).map(decode);
        let pairs = names.iter().zip(values);
        let params = pairs.map(|(name, value)| Ok((*name, value?.into_owned())));
        let params = params.collect::<Result<_, _>>().map(Params::new)?;
        Ok(Self {
            values: Values::Decoded(params),
        })
    }

    /// The names and values in the order of the pattern, percent-decoded.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let (in_path, decoded) = match &self.values {
            Values::InPath {
                names,
                pattern,
                path,
            } => {
                let values = names.iter().copied().zip(path.values(pattern));
                (Some(values), None)
            }
            Values::Decoded(params) => (None, Some(params.iter())),
        };
        in_path
            .into_iter()
            .flatten()
            .chain(decoded.into_iter().flatten())
    }

    /// Converts the values to owned ones, so that they outlive the path.
    pub fn into_params(self) -> Params {
        match self.values {
            Values::Decoded(params) => params,
            Values::InPath { .. } => Params::new(
                self.iter()
                    .map(|(name, value)| (name, value.to_owned()))
                    .collect(),
            ),
        }
    }
}
