//! The input objects of commands, and what they are made of. GraphQL and the import read the same inputs and check them by the same rules.

mod checks;
mod patch;
mod wire;

pub(crate) use checks::Checks;
pub use checks::{REFUSALS_MAX, Refusal};
pub use patch::Patch;
pub use wire::{Wire, Word};

pub use crate::project::{ProjectCollaboratorInput, ProjectCollaboratorRemoveInput, ProjectCreateInput, ProjectInput, ProjectUpdateInput};
pub use crate::schedule::{ScheduleCreateInput, ScheduleInput, ScheduleRescheduleInput, ScheduleUpdateInput, ThresholdInput};
pub use crate::task::{
    DueInput, ESTIMATE_MINUTES_MAX, TaskAssigneeInput, TaskChangePriorityInput, TaskChangeStatusInput, TaskCommentInput, TaskCreateInput,
    TaskInput, TaskMoveInput, TaskSetDueInput, TaskUpdateInput,
};
