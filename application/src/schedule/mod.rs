//! Commands on schedules: their inputs, what they depend on, and those that only the service sends.

mod follow;
mod handling;
pub(crate) mod inputs;

pub use follow::FOLLOWER_CLAIM;
