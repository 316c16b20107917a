//! The suites that need more than one crate, in one binary.

mod command_line;
mod event_store;
mod faults;
mod fuzzing;
mod graphql;
mod limits;
mod read_models;
mod relay;
mod scheduling;
mod smoke;
