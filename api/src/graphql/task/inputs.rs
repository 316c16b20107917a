//! Inputs of task commands.

use super::types::{TaskPriority, TaskStatus};
use crate::graphql::context::{optional_uuid, uuid};
use crate::graphql::patch;
use crate::graphql::scalars::{Date, DateTime, TimeZone};

use application::inputs::{self, Wire};
use async_graphql::{ID, InputObject, MaybeUndefined, Result};

/// When something is due: exactly one of `date` and `at`. `timeZone` applies to `date` and defaults to the time zone of
/// the project.
#[derive(InputObject)]
pub struct DueInput {
    /// Due at the end of this day.
    date: Option<Date>,
    /// Due at this instant.
    at: Option<DateTime>,
    /// Time zone in which the day ends.
    time_zone: Option<TimeZone>,
}

impl DueInput {
    pub(crate) fn parse(self) -> inputs::DueInput {
        inputs::DueInput {
            date: self.date.map(|date| date.0),
            at: self.at.map(|at| at.0.into()),
            time_zone: self.time_zone.map(|zone| zone.0),
        }
    }
}

/// Input of `taskCreate`.
#[derive(InputObject)]
pub struct TaskCreateInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// ID of the new task, a UUID. Generated if omitted.
    id: Option<ID>,
    /// The project of the new task.
    project_id: ID,
    /// One line of 1 to 200 characters.
    title: String,
    /// At most 64 KiB.
    description: Option<String>,
    /// MEDIUM if omitted.
    priority: Option<TaskPriority>,
    /// One line of 1 to 50 characters.
    category: Option<String>,
    /// At most 50 tags, each one line of 1 to 50 characters.
    tags: Option<Vec<String>>,
    /// At most 50 users.
    assignee_ids: Option<Vec<ID>>,
    /// When it is due.
    due: Option<DueInput>,
    /// Estimated duration in minutes, 0 to 5,256,000.
    estimate_minutes: Option<i32>,
}

/// Input of `taskUpdate`. An omitted field keeps its value; null clears it.
#[derive(InputObject)]
pub struct TaskUpdateInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// One line of 1 to 200 characters.
    title: MaybeUndefined<String>,
    /// At most 64 KiB; null clears it.
    description: MaybeUndefined<String>,
    /// One line of 1 to 50 characters.
    category: MaybeUndefined<String>,
    /// At most 50 tags, each one line of 1 to 50 characters, replacing the current ones; null removes all.
    tags: MaybeUndefined<Vec<String>>,
    /// Estimated duration in minutes, 0 to 5,256,000.
    estimate_minutes: MaybeUndefined<i32>,
}

/// Input of commands that take only a task.
#[derive(InputObject)]
pub struct TaskInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
}

/// Input of `taskAssign` and `taskUnassign`.
#[derive(InputObject)]
pub struct TaskAssigneeInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the assignees have changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// The user.
    user_id: ID,
}

/// Input of `taskChangeStatus`.
#[derive(InputObject)]
pub struct TaskChangeStatusInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the status has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// The new status. DONE equals `taskComplete`.
    status: TaskStatus,
    /// Why the task is blocked, one line of 1 to 1000 characters. Required with BLOCKED and not allowed otherwise.
    blocked_reason: Option<String>,
}

/// Input of `taskChangePriority`.
#[derive(InputObject)]
pub struct TaskChangePriorityInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the priority has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// The new priority.
    priority: TaskPriority,
}

/// Input of `taskSetDue`.
#[derive(InputObject)]
pub struct TaskSetDueInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the due instant has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// When it is due.
    due: DueInput,
}

/// Input of `taskMove`.
#[derive(InputObject)]
pub struct TaskMoveInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the project has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// The new project.
    project_id: ID,
}

/// Input of `taskComment`.
#[derive(InputObject)]
pub struct TaskCommentInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// The task.
    id: ID,
    /// Text of the comment, at most 64 KiB.
    body: String,
}

impl TaskCreateInput {
    pub(super) fn parse(self) -> Result<inputs::TaskCreateInput> {
        let people = self.assignee_ids.map(|ids| ids.iter().map(|id| uuid("assigneeIds", id)).collect::<Result<Vec<_>>>());
        Ok(inputs::TaskCreateInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            id: optional_uuid("id", self.id.as_ref())?,
            project_id: uuid("projectId", &self.project_id)?,
            title: self.title,
            description: self.description,
            priority: self.priority.map(|priority| Wire(priority.into())),
            category: self.category,
            tags: self.tags,
            assignee_ids: people.transpose()?,
            due: self.due.map(DueInput::parse),
            estimate_minutes: self.estimate_minutes.map(i64::from),
        })
    }
}

impl TaskUpdateInput {
    pub(super) fn parse(self) -> Result<inputs::TaskUpdateInput> {
        Ok(inputs::TaskUpdateInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            title: patch(self.title, |title| title),
            description: patch(self.description, |description| description),
            category: patch(self.category, |category| category),
            tags: patch(self.tags, |tags| tags),
            estimate_minutes: patch(self.estimate_minutes, i64::from),
        })
    }
}

impl TaskInput {
    pub(super) fn parse(self) -> Result<inputs::TaskInput> {
        Ok(inputs::TaskInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
        })
    }
}

impl TaskAssigneeInput {
    pub(super) fn parse(self) -> Result<inputs::TaskAssigneeInput> {
        Ok(inputs::TaskAssigneeInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            user_id: uuid("userId", &self.user_id)?,
        })
    }
}

impl TaskChangeStatusInput {
    pub(super) fn parse(self) -> Result<inputs::TaskChangeStatusInput> {
        Ok(inputs::TaskChangeStatusInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            status: Wire(self.status.into()),
            blocked_reason: self.blocked_reason,
        })
    }
}

impl TaskChangePriorityInput {
    pub(super) fn parse(self) -> Result<inputs::TaskChangePriorityInput> {
        Ok(inputs::TaskChangePriorityInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            priority: Wire(self.priority.into()),
        })
    }
}

impl TaskSetDueInput {
    pub(super) fn parse(self) -> Result<inputs::TaskSetDueInput> {
        Ok(inputs::TaskSetDueInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            due: self.due.parse(),
        })
    }
}

impl TaskMoveInput {
    pub(super) fn parse(self) -> Result<inputs::TaskMoveInput> {
        Ok(inputs::TaskMoveInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            project_id: uuid("projectId", &self.project_id)?,
        })
    }
}

impl TaskCommentInput {
    pub(super) fn parse(self) -> Result<inputs::TaskCommentInput> {
        Ok(inputs::TaskCommentInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            id: uuid("id", &self.id)?,
            body: self.body,
        })
    }
}
