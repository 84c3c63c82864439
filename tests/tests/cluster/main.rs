//! Handlers on several servers that share a log, in memory and with paused time.

mod beginning;
mod claims;
mod cursors;
mod drain;
mod faults;
mod gaps;
mod leaving;
mod lost_notices;
mod members;
mod messages;
mod model;
mod moving;
mod overtaken;
mod pages;
mod pushes;
mod rooms;
mod sessions;
mod strays;
mod subscriptions;
mod versions;
mod view;
mod waiting;
mod wandering;
