//! The commands of the command line.

pub mod config;
pub mod dead_letters;
pub mod dev;
pub mod events;
pub mod import;
pub mod migrate;
pub mod projections;
pub mod relay;
pub mod serve;
pub mod stop;
pub mod token;
pub mod topics;
pub mod verify;

mod builds;
mod table;
