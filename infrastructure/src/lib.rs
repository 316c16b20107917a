//! The world as Milepost needs it: the event log on PostgreSQL, Kafka, the clock, settings.

pub mod checkpoints;
pub mod clock;
pub mod config;
pub mod event_store;
#[doc(hidden)]
pub mod fuzzing;
pub mod kafka;
pub mod leases;
pub mod local_postgres;
pub mod postgres;
