//! Commands on tasks: their inputs, and what they depend on.

mod handling;
pub(crate) mod inputs;

pub(crate) use handling::home;
