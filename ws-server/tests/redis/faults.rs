//! Faults of a server with two nodes: what their clients see, and that they see nothing else.

mod foreign;
mod lost;
mod outage;
mod repeated;
mod replaced;
