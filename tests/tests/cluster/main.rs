//! Handlers on several servers that share a log, in memory and with paused time.

mod faults;
mod members;
mod messages;
mod model;
mod pages;
mod rooms;
mod waiting;
