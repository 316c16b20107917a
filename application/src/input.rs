//! What the inputs of commands are made of, and how they are checked. GraphQL and the import read the same inputs and check them by
//! the same rules.

mod checks;
mod define;
mod omitted;
mod patch;
mod values;

pub(crate) use checks::Checks;
pub use checks::{REFUSALS_MAX, Refusal};
pub(crate) use define::define_inputs;
pub(crate) use omitted::Field;
pub use patch::Patch;
pub(crate) use values::{CollaboratorRole, Day, Id, Int, TaskPriority, TaskStatus, Text, ThresholdUnit, Zone};
pub use values::{Moment, Wire, Word};
