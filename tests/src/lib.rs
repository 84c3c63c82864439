//! Tests of the whole; see `tests/`.

#![forbid(unsafe_code)]
