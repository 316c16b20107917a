//! How events are applied to the rows of a version, and how requests wait for it.

pub(crate) mod apply;
pub mod heartbeat;
pub mod in_memory;
pub(crate) mod lock_holders;
pub(crate) mod locks;
pub mod log;
pub mod progress;
pub mod rows;
pub(crate) mod rows_class;
pub mod run_context;
