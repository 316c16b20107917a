//! The commands that callers send: one for every mutation, under the mutation's name, with its input object.
//!
//! GraphQL, the import and every later door read the same inputs and check them by the same rules. An input becomes a
//! command of the domain by `parse`, which reports everything that is wrong with it at once.

mod uses;

pub(crate) use uses::{Thing, Uses};

use crate::access::Need;
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
use domain::values::CollaboratorRole::{Editor, Manager, Owner, Viewer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What is decided once for each command. A column that is left out does not compile, at its row.
struct Row<I> {
    /// What it needs of a member of the workspace.
    needs: Need,
    /// What it changes and relies on: lines of an import that share none of it are carried out at the same time.
    uses: fn(&I) -> Uses,
    /// The command for the aggregate, or everything that is wrong with the input.
    order: fn(I) -> Result<Order, Vec<Refusal>>,
}

/// The table of commands. Of `TaskComplete(TaskInput) = "taskComplete" => Row { .. }` it makes
///
/// ```text
/// enum Command { #[serde(rename = "taskComplete")] TaskComplete(TaskInput), .. }
/// const TaskComplete: Row<TaskInput> = Row { .. };
/// fn need(&self) -> Need { match self { Self::TaskComplete(_) => rows::TaskComplete.needs, .. } }
/// ```
///
/// and one such arm in each of the functions below.
macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident($input:ident) = $name:literal => $row:expr,)*) => {
        /// One command with its input.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "command", content = "input")]
        pub enum Command {
            $($(#[$doc])* #[serde(rename = $name)] $variant($input),)*
        }

        /// The rows, under the names of their commands.
        #[allow(non_upper_case_globals)]
        mod rows {
            use super::*;
            $(pub(super) const $variant: Row<$input> = $row;)*
        }

        impl Command {
            /// What it needs of a member of the workspace.
            pub fn need(&self) -> Need {
                match self { $(Self::$variant(_) => rows::$variant.needs,)* }
            }

            /// What it changes and relies on.
            pub(crate) fn uses(&self) -> Uses {
                match self { $(Self::$variant(input) => (rows::$variant.uses)(input),)* }
            }

            /// The order for an aggregate, or everything that is wrong with the input.
            pub(crate) fn parse(self) -> Result<Order, Vec<Refusal>> {
                match self { $(Self::$variant(input) => (rows::$variant.order)(input),)* }
            }

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
    /// Create a project.
    ProjectCreate(ProjectCreateInput) = "projectCreate" => Row {
        needs: Need::Membership,
        uses: |input| Uses::new().changes(input.id).changes_key(&input.key),
        order: |input| input.parse().map(Order::Project),
    },
    /// Set fields of a project.
    ProjectUpdate(ProjectUpdateInput) = "projectUpdate" => Row {
        needs: Need::Project(Manager),
        // Days that are due are counted in the project's zone.
        uses: |input| if input.time_zone.is_absent() { Uses::new().changes(Some(input.id)) } else { Uses::WHOLE_PROJECT },
        order: |input| input.parse().map(Order::Project),
    },
    /// Archive a project.
    ProjectArchive(ProjectInput) = "projectArchive" => Row {
        needs: Need::Project(Manager),
        uses: |_| Uses::WHOLE_PROJECT,
        order: |input| Ok(Order::Project(input.archive())),
    },
    /// Restore an archived project.
    ProjectUnarchive(ProjectInput) = "projectUnarchive" => Row {
        needs: Need::Project(Manager),
        uses: |_| Uses::WHOLE_PROJECT,
        order: |input| Ok(Order::Project(input.unarchive())),
    },
    /// Delete a project permanently.
    ProjectDelete(ProjectInput) = "projectDelete" => Row {
        needs: Need::Project(Owner),
        uses: |_| Uses::WHOLE_PROJECT,
        order: |input| Ok(Order::Project(input.delete())),
    },
    /// Add a collaborator to a project.
    ProjectCollaboratorAdd(ProjectCollaboratorInput) = "projectCollaboratorAdd" => Row {
        // Of an owner, or to make one: only another owner may.
        needs: Need::Project(Manager),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Project(input.add())),
    },
    /// Change the role of a collaborator.
    ProjectCollaboratorChangeRole(ProjectCollaboratorInput) = "projectCollaboratorChangeRole" => Row {
        // Of an owner, or to make one: only another owner may.
        needs: Need::Project(Manager),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Project(input.change_role())),
    },
    /// Remove a collaborator from a project.
    ProjectCollaboratorRemove(ProjectCollaboratorRemoveInput) = "projectCollaboratorRemove" => Row {
        needs: Need::ProjectOrOwn(Manager),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Project(input.remove())),
    },
    /// Create a task.
    TaskCreate(TaskCreateInput) = "taskCreate" => Row {
        needs: Need::Project(Editor),
        uses: |input| Uses::new().changes(input.id).relies_on(Some(input.project_id)),
        order: |input| input.parse().map(Order::Task),
    },
    /// Set fields of a task.
    TaskUpdate(TaskUpdateInput) = "taskUpdate" => Row {
        needs: Need::ProjectOrOwn(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| input.parse().map(Order::Task),
    },
    /// Add an assignee to a task.
    TaskAssign(TaskAssigneeInput) = "taskAssign" => Row {
        needs: Need::Project(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Task(input.assign())),
    },
    /// Remove an assignee from a task.
    TaskUnassign(TaskAssigneeInput) = "taskUnassign" => Row {
        needs: Need::ProjectOrOwn(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Task(input.unassign())),
    },
    /// Change the status of a task.
    TaskChangeStatus(TaskChangeStatusInput) = "taskChangeStatus" => Row {
        needs: Need::ProjectOrOwn(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| input.parse().map(Order::Task),
    },
    /// Change the priority of a task.
    TaskChangePriority(TaskChangePriorityInput) = "taskChangePriority" => Row {
        needs: Need::Project(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Task(input.order())),
    },
    /// Set the due date of a task.
    TaskSetDue(TaskSetDueInput) = "taskSetDue" => Row {
        needs: Need::Project(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| input.parse().map(Order::Task),
    },
    /// Clear the due date of a task.
    TaskClearDue(TaskInput) = "taskClearDue" => Row {
        needs: Need::Project(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Task(input.clear_due())),
    },
    /// Mark a task as done.
    TaskComplete(TaskInput) = "taskComplete" => Row {
        needs: Need::ProjectOrOwn(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Task(input.complete())),
    },
    /// Reopen a done or cancelled task.
    TaskReopen(TaskInput) = "taskReopen" => Row {
        needs: Need::ProjectOrOwn(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Task(input.reopen())),
    },
    /// Move a task to another project.
    TaskMove(TaskMoveInput) = "taskMove" => Row {
        // In both projects.
        needs: Need::Project(Editor),
        // Moves may pass each other, so they only rely on the places that they change.
        uses: |input| Uses::new().changes(Some(input.id)).relies_on(Some(input.project_id)).relies_on_places(),
        order: |input| Ok(Order::Task(input.order())),
    },
    /// Add a comment to a task.
    TaskComment(TaskCommentInput) = "taskComment" => Row {
        needs: Need::ProjectOrOwn(Viewer),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| input.parse().map(Order::Task),
    },
    /// Delete a task permanently.
    TaskDelete(TaskInput) = "taskDelete" => Row {
        needs: Need::Project(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Task(input.delete())),
    },
    /// Create a schedule.
    ScheduleCreate(ScheduleCreateInput) = "scheduleCreate" => Row {
        needs: Need::ProjectOrMilestone(Editor),
        uses: |input| Uses::new().changes(input.id).relies_on(input.project_id).relies_on(input.task_id),
        order: |input| input.parse().map(Order::Schedule),
    },
    /// Set fields of a schedule.
    ScheduleUpdate(ScheduleUpdateInput) = "scheduleUpdate" => Row {
        needs: Need::ProjectOrMilestone(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| input.parse().map(Order::Schedule),
    },
    /// Change when a schedule is due.
    ScheduleReschedule(ScheduleRescheduleInput) = "scheduleReschedule" => Row {
        needs: Need::ProjectOrMilestone(Editor),
        uses: schedule_reschedule_uses,
        order: |input| input.parse().map(Order::Schedule),
    },
    /// Mark a schedule as met.
    ScheduleMeet(ScheduleInput) = "scheduleMeet" => Row {
        needs: Need::ProjectOrMilestone(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Schedule(input.meet())),
    },
    /// Delete a schedule permanently.
    ScheduleDelete(ScheduleInput) = "scheduleDelete" => Row {
        needs: Need::ProjectOrMilestone(Editor),
        uses: |input| Uses::new().changes(Some(input.id)),
        order: |input| Ok(Order::Schedule(input.delete())),
    },
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

/// A due day without a zone is counted in the zone of its project, which a move of its task may change.
fn schedule_reschedule_uses(input: &ScheduleRescheduleInput) -> Uses {
    let uses = Uses::new().changes(Some(input.id));
    if input.due.date.is_some() && input.due.time_zone.is_none() { uses.changes_places() } else { uses }
}

#[cfg(test)]
mod tests;
