//! Commands on tasks: their inputs, and what they rely on.

mod handling;
mod inputs;

pub(crate) use handling::{TaskHandling, home};
pub use inputs::{
    DueInput, ESTIMATE_MINUTES_MAX, TaskAssigneeInput, TaskChangePriorityInput, TaskChangeStatusInput, TaskCommentInput, TaskCreateInput,
    TaskInput, TaskMoveInput, TaskSetDueInput, TaskUpdateInput,
};
pub(crate) use inputs::{TaskOrder, TaskWish};
