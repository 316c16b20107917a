//! Versions of a read model: built beside the live one, compared with it, made live, retained, and repaired.

pub mod builder;
pub mod dead_letters;
pub mod error;
pub(crate) mod lifecycle;
