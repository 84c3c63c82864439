//! Redis: each test starts a server of its own.

mod balanced;
mod browser;
mod clustered;
mod connection;
mod engine;
mod failover;
mod faults;
mod health;
mod hubs;
mod matrix;
mod nodes;
mod pages;
mod processes;
mod proxy;
mod rolling;
mod sealed;
mod sentinels;
mod server;
mod servers;
mod sessions;
mod several;
mod slow;
mod subscriptions;
mod tls;
mod trimming;
