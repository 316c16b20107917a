//! Kafka: which topics there are, what is said on them, and how every event gets there exactly once.

pub mod catalogue;
mod client;
pub mod mock;
pub mod partitioner;
mod probe;
mod reading;
#[cfg(test)]
mod records;
pub mod relay;
pub mod topics;
pub mod verify;
pub mod watch;

pub use client::{client_config, consumer_config};
pub use probe::{AskError, Probe};
pub use relay::{RelayRecord, Stored, read_record};
