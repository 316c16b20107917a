//! What is published of events: on Kafka, in `Event.data` of GraphQL, and by `events tail --json`.
//!
//! An event is private, a message is public: these types are apart from the events. Without features the crate is the types
//! alone, as consumers use them. With `from-domain` it makes a message of an event: a pure function of that one event, which
//! stands beside the types of its aggregate.

mod envelope;
pub mod project;
pub mod schedule;
pub mod task;
mod values;

#[cfg(feature = "from-domain")]
mod from_domain;
#[cfg(feature = "from-domain")]
mod largest;
#[cfg(feature = "from-domain")]
mod schemas;
#[cfg(all(test, feature = "from-domain"))]
mod tests;

pub use envelope::{Envelope, SOURCE};
#[cfg(feature = "from-domain")]
pub use from_domain::{Data, data, envelope};
#[cfg(feature = "from-domain")]
pub use largest::RECORD_BYTES_MAX;
#[cfg(feature = "from-domain")]
pub use schemas::schemas;
pub use values::{ChangeV1, DueV1, Moment};
