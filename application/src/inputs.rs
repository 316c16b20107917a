//! The inputs of all commands.

pub use crate::input::{Moment, Patch, REFUSALS_MAX, Refusal, Wire, Word};
pub use crate::project::{ProjectCollaboratorInput, ProjectCollaboratorRemoveInput, ProjectCreateInput, ProjectInput, ProjectUpdateInput};
pub use crate::schedule::{ScheduleCreateInput, ScheduleInput, ScheduleRescheduleInput, ScheduleUpdateInput, ThresholdInput};
pub use crate::task::{
    DueInput, ESTIMATE_MINUTES_MAX, TaskAssigneeInput, TaskChangePriorityInput, TaskChangeStatusInput, TaskCommentInput, TaskCreateInput,
    TaskInput, TaskMoveInput, TaskSetDueInput, TaskUpdateInput,
};
