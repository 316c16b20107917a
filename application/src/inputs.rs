//! The inputs of all commands.

pub use crate::input::{Moment, Patch, REFUSALS_MAX, Refusal, Wire, Word};
pub use crate::project::inputs::*;
pub use crate::schedule::inputs::*;
pub use crate::task::inputs::*;
