//! Inputs of task commands.

use super::types::{TaskPriority, TaskStatus};
use crate::graphql::context::{optional_uuid, uuid};
use crate::graphql::patch;
use crate::graphql::scalars::{Date, DateTime, TimeZone};
use application::commands::{self, Wire};
use async_graphql::{ID, InputObject, MaybeUndefined, Result};

/// When something is due: exactly one of `date` and `at`. `timeZone` goes with `date`; the project's zone if left out.
#[derive(InputObject)]
pub struct DueInput {
    /// Due at the end of this day.
    date: Option<Date>,
    /// Due at this instant.
    at: Option<DateTime>,
    /// Where the day ends.
    time_zone: Option<TimeZone>,
}

impl DueInput {
    pub(crate) fn parse(self) -> commands::DueInput {
        commands::DueInput {
            date: self.date.map(|date| date.0),
            at: self.at.map(|at| at.0.into()),
            time_zone: self.time_zone.map(|zone| zone.0),
        }
    }
}

/// Input of `taskCreate`.
#[derive(InputObject)]
pub struct TaskCreateInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// The id of the new task, a UUID. Not given: one is made.
    id: Option<ID>,
    /// The project it is to be in.
    project_id: ID,
    /// One line of 1 to 200 characters.
    title: String,
    /// Up to 64 KiB.
    description: Option<String>,
    /// Not given: MEDIUM.
    priority: Option<TaskPriority>,
    /// One line of 1 to 50 characters.
    category: Option<String>,
    /// At most 50 labels, each a line of 1 to 50 characters.
    tags: Option<Vec<String>>,
    /// At most 50 people.
    assignee_ids: Option<Vec<ID>>,
    /// When it is due.
    due: Option<DueInput>,
    /// How long it should take, 0 to 5,256,000 minutes.
    estimate_minutes: Option<i32>,
}

/// Input of `taskUpdate`. A field left out stays as it is; an explicit null clears it.
#[derive(InputObject)]
pub struct TaskUpdateInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that this sets has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// One line of 1 to 200 characters.
    title: MaybeUndefined<String>,
    /// Up to 64 KiB; null empties it.
    description: MaybeUndefined<String>,
    /// One line of 1 to 50 characters.
    category: MaybeUndefined<String>,
    /// At most 50 labels, each a line of 1 to 50 characters, instead of those it has; null removes them.
    tags: MaybeUndefined<Vec<String>>,
    /// How long it should take, 0 to 5,256,000 minutes.
    estimate_minutes: MaybeUndefined<i32>,
}

/// Input of commands that name a task and nothing else.
#[derive(InputObject)]
pub struct TaskInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if what this sets has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
}

/// Input of `taskAssign` and `taskUnassign`.
#[derive(InputObject)]
pub struct TaskAssigneeInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the assignees have changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// The person.
    user_id: ID,
}

/// Input of `taskChangeStatus`.
#[derive(InputObject)]
pub struct TaskChangeStatusInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the status has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// Where it goes. DONE equals `taskComplete`.
    status: TaskStatus,
    /// Why it cannot go on, one line of 1 to 1000 characters. Needed with BLOCKED and only there.
    blocked_reason: Option<String>,
}

/// Input of `taskChangePriority`.
#[derive(InputObject)]
pub struct TaskChangePriorityInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the priority has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// How pressing it is from now on.
    priority: TaskPriority,
}

/// Input of `taskSetDue`.
#[derive(InputObject)]
pub struct TaskSetDueInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the due moment has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// When it is due.
    due: DueInput,
}

/// Input of `taskMove`.
#[derive(InputObject)]
pub struct TaskMoveInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the project has changed since this version.
    expected_version: Option<i32>,
    /// The task.
    id: ID,
    /// The project it goes to.
    project_id: ID,
}

/// Input of `taskComment`.
#[derive(InputObject)]
pub struct TaskCommentInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// The task.
    id: ID,
    /// What to say, up to 64 KiB.
    body: String,
}

impl TaskCreateInput {
    pub(super) fn parse(self) -> Result<commands::TaskCreateInput> {
        let people = self.assignee_ids.map(|ids| ids.iter().map(|id| uuid("assigneeIds", id)).collect::<Result<Vec<_>>>());
        Ok(commands::TaskCreateInput {
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
    pub(super) fn parse(self) -> Result<commands::TaskUpdateInput> {
        Ok(commands::TaskUpdateInput {
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
    pub(super) fn parse(self) -> Result<commands::TaskInput> {
        Ok(commands::TaskInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
        })
    }
}

impl TaskAssigneeInput {
    pub(super) fn parse(self) -> Result<commands::TaskAssigneeInput> {
        Ok(commands::TaskAssigneeInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            user_id: uuid("userId", &self.user_id)?,
        })
    }
}

impl TaskChangeStatusInput {
    pub(super) fn parse(self) -> Result<commands::TaskChangeStatusInput> {
        Ok(commands::TaskChangeStatusInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            status: Wire(self.status.into()),
            blocked_reason: self.blocked_reason,
        })
    }
}

impl TaskChangePriorityInput {
    pub(super) fn parse(self) -> Result<commands::TaskChangePriorityInput> {
        Ok(commands::TaskChangePriorityInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            priority: Wire(self.priority.into()),
        })
    }
}

impl TaskSetDueInput {
    pub(super) fn parse(self) -> Result<commands::TaskSetDueInput> {
        Ok(commands::TaskSetDueInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            due: self.due.parse(),
        })
    }
}

impl TaskMoveInput {
    pub(super) fn parse(self) -> Result<commands::TaskMoveInput> {
        Ok(commands::TaskMoveInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            project_id: uuid("projectId", &self.project_id)?,
        })
    }
}

impl TaskCommentInput {
    pub(super) fn parse(self) -> Result<commands::TaskCommentInput> {
        Ok(commands::TaskCommentInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            id: uuid("id", &self.id)?,
            body: self.body,
        })
    }
}
