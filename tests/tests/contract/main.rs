//! The contract of a connection, sentence by sentence.

#[macro_use]
mod journal;
mod probe;

mod closing;
mod hooks;
mod mailbox;
mod order;
mod payloads;
mod sending;
mod terminate;
