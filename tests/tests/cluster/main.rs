//! Handlers on several servers that share a log, in memory and with paused time.

mod drain;
mod faults;
mod members;
mod messages;
mod model;
mod pages;
mod pushes;
mod rooms;
mod sessions;
mod subscriptions;
mod view;
mod waiting;
