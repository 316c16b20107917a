//! The commands that callers send: one for every mutation, under the mutation's name, with its input object.
//!
//! GraphQL, the import and every later door read the same inputs and check them by the same rules. An input becomes a
//! command of the domain by `parse`, which reports everything that is wrong with it at once.

use crate::inputs::Refusal;
use crate::project::{
    ProjectCollaboratorInput, ProjectCollaboratorRemoveInput, ProjectCreateInput, ProjectInput, ProjectOrder, ProjectUpdateInput,
};
use crate::schedule::{ScheduleCreateInput, ScheduleInput, ScheduleOrder, ScheduleRescheduleInput, ScheduleUpdateInput};
use crate::task::{
    TaskAssigneeInput, TaskChangePriorityInput, TaskChangeStatusInput, TaskCommentInput, TaskCreateInput, TaskInput, TaskMoveInput,
    TaskOrder, TaskSetDueInput, TaskUpdateInput,
};
use domain::ids::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident($input:ty) = $name:literal,)*) => {
        /// One command with its input.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "command", content = "input")]
        pub enum Command {
            $($(#[$doc])* #[serde(rename = $name)] $variant($input),)*
        }

        impl Command {
            /// Every name, in the order of the contract.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The mutation's name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The id that makes it safe to send the command again.
            pub fn command_id(&self) -> Option<Uuid> {
                match self { $(Self::$variant(input) => input.command_id,)* }
            }

            /// Names the command, for doors that carry the id beside the input.
            pub fn set_command_id(&mut self, id: Uuid) {
                match self { $(Self::$variant(input) => input.command_id = Some(id),)* }
            }
        }
    };
}

commands! {
    /// Begin a project.
    ProjectCreate(ProjectCreateInput) = "projectCreate",
    /// Change fields of a project.
    ProjectUpdate(ProjectUpdateInput) = "projectUpdate",
    /// Put a project to rest.
    ProjectArchive(ProjectInput) = "projectArchive",
    /// Take a project up again.
    ProjectUnarchive(ProjectInput) = "projectUnarchive",
    /// Delete a project for good.
    ProjectDelete(ProjectInput) = "projectDelete",
    /// Let somebody in.
    ProjectCollaboratorAdd(ProjectCollaboratorInput) = "projectCollaboratorAdd",
    /// Give somebody another role.
    ProjectCollaboratorChangeRole(ProjectCollaboratorInput) = "projectCollaboratorChangeRole",
    /// Let somebody go.
    ProjectCollaboratorRemove(ProjectCollaboratorRemoveInput) = "projectCollaboratorRemove",
    /// Begin a task.
    TaskCreate(TaskCreateInput) = "taskCreate",
    /// Change fields of a task.
    TaskUpdate(TaskUpdateInput) = "taskUpdate",
    /// Assign somebody.
    TaskAssign(TaskAssigneeInput) = "taskAssign",
    /// Unassign somebody.
    TaskUnassign(TaskAssigneeInput) = "taskUnassign",
    /// Move a task along.
    TaskChangeStatus(TaskChangeStatusInput) = "taskChangeStatus",
    /// Make a task more or less pressing.
    TaskChangePriority(TaskChangePriorityInput) = "taskChangePriority",
    /// Set when a task is due.
    TaskSetDue(TaskSetDueInput) = "taskSetDue",
    /// Let a task be due at no moment.
    TaskClearDue(TaskInput) = "taskClearDue",
    /// Call a task done.
    TaskComplete(TaskInput) = "taskComplete",
    /// Take a closed task up again.
    TaskReopen(TaskInput) = "taskReopen",
    /// Take a task to another project.
    TaskMove(TaskMoveInput) = "taskMove",
    /// Say something about a task.
    TaskComment(TaskCommentInput) = "taskComment",
    /// Delete a task for good.
    TaskDelete(TaskInput) = "taskDelete",
    /// Begin a schedule.
    ScheduleCreate(ScheduleCreateInput) = "scheduleCreate",
    /// Change fields of a schedule.
    ScheduleUpdate(ScheduleUpdateInput) = "scheduleUpdate",
    /// Move a schedule's due moment.
    ScheduleReschedule(ScheduleRescheduleInput) = "scheduleReschedule",
    /// Call a schedule met.
    ScheduleMeet(ScheduleInput) = "scheduleMeet",
    /// Delete a schedule for good.
    ScheduleDelete(ScheduleInput) = "scheduleDelete",
}

impl Command {
    /// Fields by which rules speak of a project, a task or a status, and which the input does not have: what it has is an `id`.
    pub(crate) fn meant_by_id(&self) -> &'static [&'static str] {
        match self {
            Self::ScheduleCreate(_) => &[],
            Self::TaskCreate(_) | Self::TaskMove(_) => &["taskId"],
            Self::TaskChangeStatus(_) => &["projectId", "taskId"],
            Self::ProjectCreate(_)
            | Self::ProjectUpdate(_)
            | Self::ProjectArchive(_)
            | Self::ProjectUnarchive(_)
            | Self::ProjectDelete(_)
            | Self::ProjectCollaboratorAdd(_)
            | Self::ProjectCollaboratorChangeRole(_)
            | Self::ProjectCollaboratorRemove(_)
            | Self::TaskUpdate(_)
            | Self::TaskAssign(_)
            | Self::TaskUnassign(_)
            | Self::TaskChangePriority(_)
            | Self::TaskSetDue(_)
            | Self::TaskClearDue(_)
            | Self::TaskComplete(_)
            | Self::TaskReopen(_)
            | Self::TaskComment(_)
            | Self::TaskDelete(_)
            | Self::ScheduleUpdate(_)
            | Self::ScheduleReschedule(_)
            | Self::ScheduleMeet(_)
            | Self::ScheduleDelete(_) => &["projectId", "taskId", "status"],
        }
    }

    /// What the command asks, as 32 bytes: its name, its input as sent and who sent it. Generated values and the
    /// command id are left out, so sending it again gives the same bytes and asking for something else does not.
    pub fn request_hash(&self, actor: UserId) -> [u8; 32] {
        let request = serde_json::to_vec(self).expect("inputs hold nothing that JSON cannot hold");
        let mut hash = Sha256::new();
        hash.update(actor.0.as_bytes());
        hash.update(request);
        hash.finalize().into()
    }
}

/// What an input becomes.
pub(crate) enum Order {
    Project(ProjectOrder),
    Task(TaskOrder),
    Schedule(ScheduleOrder),
}

impl Command {
    /// The order for an aggregate, or everything that is wrong with the input.
    pub(crate) fn parse(self) -> Result<Order, Vec<Refusal>> {
        match self {
            Self::ProjectCreate(input) => input.parse().map(Order::Project),
            Self::ProjectUpdate(input) => input.parse().map(Order::Project),
            Self::ProjectArchive(input) => Ok(Order::Project(input.archive())),
            Self::ProjectUnarchive(input) => Ok(Order::Project(input.unarchive())),
            Self::ProjectDelete(input) => Ok(Order::Project(input.delete())),
            Self::ProjectCollaboratorAdd(input) => Ok(Order::Project(input.add())),
            Self::ProjectCollaboratorChangeRole(input) => Ok(Order::Project(input.change_role())),
            Self::ProjectCollaboratorRemove(input) => Ok(Order::Project(input.remove())),
            Self::TaskCreate(input) => input.parse().map(Order::Task),
            Self::TaskUpdate(input) => input.parse().map(Order::Task),
            Self::TaskAssign(input) => Ok(Order::Task(input.assign())),
            Self::TaskUnassign(input) => Ok(Order::Task(input.unassign())),
            Self::TaskChangeStatus(input) => input.parse().map(Order::Task),
            Self::TaskChangePriority(input) => Ok(Order::Task(input.order())),
            Self::TaskSetDue(input) => input.parse().map(Order::Task),
            Self::TaskClearDue(input) => Ok(Order::Task(input.clear_due())),
            Self::TaskComplete(input) => Ok(Order::Task(input.complete())),
            Self::TaskReopen(input) => Ok(Order::Task(input.reopen())),
            Self::TaskMove(input) => Ok(Order::Task(input.order())),
            Self::TaskComment(input) => input.parse().map(Order::Task),
            Self::TaskDelete(input) => Ok(Order::Task(input.delete())),
            Self::ScheduleCreate(input) => input.parse().map(Order::Schedule),
            Self::ScheduleUpdate(input) => input.parse().map(Order::Schedule),
            Self::ScheduleReschedule(input) => input.parse().map(Order::Schedule),
            Self::ScheduleMeet(input) => Ok(Order::Schedule(input.meet())),
            Self::ScheduleDelete(input) => Ok(Order::Schedule(input.delete())),
        }
    }
}

#[cfg(test)]
mod tests;
