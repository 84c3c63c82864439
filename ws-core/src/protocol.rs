//! The WebSocket protocol of RFC 6455 as pure functions and state, without any I/O.
//!
//! Input arrives as slices and output leaves as buffers; sockets, timers and tasks live elsewhere.
//!
//! | Module | RFC 6455 | Contents |
//! | --- | --- | --- |
//! | [`accept`] | 4.2.2 | the key of the opening handshake, and its response |
//! | [`frame`] | 5.2 | opcodes and the frame header |
//! | [`mask`] | 5.3 | masking and unmasking of payloads |
//! | [`utf8`] | 8.1 | validation of text that arrives in pieces |
//! | [`decoder`] | 5.4-5.6 | bytes to messages and control events |
//! | [`event`] | 5.5, 5.6 | the events that the decoder returns |
//! | [`encoder`] | 5.2, 5.5 | messages and control frames to bytes |
//! | [`deflate`] | RFC 7692 | negotiation of compression, and compressed messages |
//! | [`error`] | 7.4 | protocol violations, and the close code for each |
//!
//! Compression (RFC 7692) lies between frame and message: if the first frame of a message has RSV1
//! set, the whole message is inflated before its text is validated. If compression was not
//! negotiated, the decoder rejects RSV1.
//!
//! ```
//! use ws_core::protocol::{Decoder, Event, Incoming, Role, encoder};
//!
//! let mut wire = encoder::encode_text("hello").to_vec();
//! let mut input = &mut wire[..];
//! let mut decoder = Decoder::new(Role::Client, 1024);
//! let Some(Event::Message(Incoming::Text(text))) = decoder.decode(&mut input)? else {
//!     panic!("a whole text frame is a message");
//! };
//! assert_eq!(text.as_str(), "hello");
//! # Ok::<(), ws_core::protocol::ProtocolError>(())
//! ```

pub mod accept;
pub mod decoder;
pub mod deflate;
pub mod encoder;
pub mod error;
pub mod event;
pub mod frame;
pub mod mask;
pub(crate) mod reuse;
mod unfinished;
pub mod utf8;

#[cfg(test)]
mod decoder_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod skip_tests;
#[cfg(test)]
mod split_tests;

pub use accept::{accept_key, is_valid_key};
pub use decoder::{Decoder, Role};
pub use deflate::{DEFLATE_THRESHOLD, Deflate};
pub use error::ProtocolError;
pub use event::{BinaryData, ControlPayload, Event, Incoming, TextData};
pub use frame::OpCode;
