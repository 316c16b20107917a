//! The world as Milepost needs it: the event log on PostgreSQL, Kafka, the clock, settings.

pub mod clock;
pub mod event_store;
pub mod postgres;
