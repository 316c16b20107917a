//! How events get into the rows of a version, and who waits for it.

pub(crate) mod apply;
pub mod in_memory;
pub(crate) mod lock_holders;
pub(crate) mod locks;
pub mod log;
pub mod progress;
pub mod pulse;
pub mod rows;
pub(crate) mod rows_class;
pub mod works;
