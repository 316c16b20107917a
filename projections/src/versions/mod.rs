//! Versions of a read model: built beside the live one, compared with it, switched to, kept, and repaired.

pub mod builder;
pub mod dead_letters;
pub mod error;
pub(crate) mod lifecycle;
