//! Commands on tasks: their inputs, and what they depend on.

mod handling;
mod inputs;

pub(crate) use handling::home;
pub use inputs::{
    DueInput, ESTIMATE_MINUTES_MAX, TaskAssigneeInput, TaskChangePriorityInput, TaskChangeStatusInput, TaskCommentInput, TaskCreateInput,
    TaskInput, TaskMoveInput, TaskSetDueInput, TaskUpdateInput,
};
