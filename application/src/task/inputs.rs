//! Inputs of task commands.

use crate::inputs::{Checks, Refusal};
use crate::inputs::{Patch, Wire};
use chrono::NaiveDate;
use domain::ids::{ProjectId, TaskId, UserId};
use domain::task::{ChangeStatus, CreateTask, Status, TaskCommand, UpdateTask};
use domain::values::{
    Assignees, BlockedReason, Category, CommentBody, Description, DueWish, Instant, InvalidValue, Priority, Tag, Tags, Title, parse_zone,
    valid_date, valid_instant,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest estimate, in minutes: ten years without a break.
pub const ESTIMATE_MINUTES_MAX: i64 = 5_256_000;

/// When something is due: exactly one of `date` and `at`. `timeZone` goes with `date`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DueInput {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Input of `taskCreate`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskCreateInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub project_id: Uuid,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Wire<Priority>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee_ids: Option<Vec<Uuid>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DueInput>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_minutes: Option<i64>,
}

/// Input of `taskUpdate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskUpdateInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub title: Patch<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub description: Patch<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub category: Patch<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub tags: Patch<Vec<String>>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub estimate_minutes: Patch<i64>,
}

/// Input of commands that take only a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
}

/// Input of `taskAssign` and `taskUnassign`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskAssigneeInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    pub user_id: Uuid,
}

/// Input of `taskChangeStatus`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskChangeStatusInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    pub status: Wire<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_reason: Option<String>,
}

/// Input of `taskChangePriority`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskChangePriorityInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    pub priority: Wire<Priority>,
}

/// Input of `taskSetDue`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskSetDueInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    pub due: DueInput,
}

/// Input of `taskMove`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskMoveInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    pub project_id: Uuid,
}

/// Input of `taskComment`. `id` is the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskCommentInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    pub id: Uuid,
    pub body: String,
}

/// A checked wish about a task.
pub(crate) struct TaskOrder {
    /// `None`: a new task gets a new id.
    pub(crate) id: Option<TaskId>,
    pub(crate) expected_version: Option<i64>,
    pub(crate) wish: TaskWish,
}

/// A wish that may still need ids or another project.
pub(crate) enum TaskWish {
    Create(ProjectId, Box<CreateTask>),
    Move(ProjectId),
    Comment(CommentBody),
    Other(TaskCommand),
}

fn order(id: Uuid, expected_version: Option<i64>, wish: TaskCommand) -> TaskOrder {
    TaskOrder { id: Some(TaskId(id)), expected_version, wish: TaskWish::Other(wish) }
}

impl DueInput {
    pub(crate) fn parse(self, checks: &mut Checks, path: &str) -> Option<DueWish> {
        let zone = self.time_zone.map(|name| checks.value(&format!("{path}.timeZone"), parse_zone(&name)));
        match (self.date, self.at) {
            (Some(date), None) => {
                let date = checks.value(&format!("{path}.date"), valid_date(date))?;
                Some(DueWish::On(date, zone.flatten()))
            }
            (None, Some(at)) if zone.is_none() => checks.value(&format!("{path}.at"), valid_instant(at)).map(DueWish::At),
            (None, Some(_)) => {
                let message = "timeZone applies only to date; omit it with at, which is already an instant";
                checks.value(&format!("{path}.timeZone"), Err(InvalidValue::new(message)))
            }
            (Some(_), Some(_)) | (None, None) => checks.value(path, Err(InvalidValue::new("give exactly one of date and at"))),
        }
    }
}

fn tags(checks: &mut Checks, tags: Vec<String>) -> Option<Tags> {
    let tags: Vec<_> = tags.into_iter().enumerate().map(|(index, tag)| checks.value(&format!("tags.{index}"), Tag::new(tag))).collect();
    let tags: Option<Vec<Tag>> = tags.into_iter().collect();
    tags.and_then(|tags| checks.value("tags", Tags::new(tags)))
}

fn estimate(minutes: i64) -> Result<u32, InvalidValue> {
    match u32::try_from(minutes) {
        Ok(valid) if minutes <= ESTIMATE_MINUTES_MAX => Ok(valid),
        _ => Err(InvalidValue::new(format!("an estimate is 0 to {ESTIMATE_MINUTES_MAX} minutes; this one is {minutes}"))),
    }
}

impl TaskCreateInput {
    pub(crate) fn parse(self) -> Result<TaskOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let title = checks.value("title", Title::new(self.title));
        let description = checks.value("description", self.description.map_or_else(|| Ok(Description::empty()), Description::new));
        let category = checks.value("category", self.category.map(Category::new).transpose());
        let tags = tags(&mut checks, self.tags.unwrap_or_default());
        let people = self.assignee_ids.unwrap_or_default();
        let assignee_ids = checks.value("assigneeIds", Assignees::new(people.into_iter().map(UserId)));
        let due = self.due.map(|due| due.parse(&mut checks, "due"));
        let estimate_minutes = checks.value("estimateMinutes", self.estimate_minutes.map(estimate).transpose());
        let create = (|| {
            Some(CreateTask {
                title: title?,
                description: description?,
                priority: self.priority.map_or_else(Priority::default, |priority| priority.0),
                category: category?,
                tags: tags?,
                assignee_ids: assignee_ids?,
                due: due.flatten(),
                estimate_minutes: estimate_minutes?,
            })
        })();
        let create = checks.finish(create)?;
        let wish = TaskWish::Create(ProjectId(self.project_id), Box::new(create));
        Ok(TaskOrder { id: self.id.map(TaskId), expected_version: None, wish })
    }
}

impl TaskUpdateInput {
    pub(crate) fn parse(self) -> Result<TaskOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let update = UpdateTask {
            title: self.title.required(&mut checks, "title", Title::new),
            description: self.description.or_empty(&mut checks, "description", Description::empty(), Description::new),
            category: self.category.clearable(&mut checks, "category", Category::new),
            tags: match self.tags {
                Patch::Absent => None,
                Patch::Null => Some(Tags::default()),
                Patch::Value(given) => tags(&mut checks, given),
            },
            estimate_minutes: self.estimate_minutes.clearable(&mut checks, "estimateMinutes", estimate),
        };
        let update = checks.finish(Some(update))?;
        Ok(order(self.id, self.expected_version, TaskCommand::Update(Box::new(update))))
    }
}

impl TaskInput {
    pub(crate) fn clear_due(self) -> TaskOrder {
        order(self.id, self.expected_version, TaskCommand::ClearDue)
    }

    pub(crate) fn complete(self) -> TaskOrder {
        order(self.id, self.expected_version, TaskCommand::Complete)
    }

    pub(crate) fn reopen(self) -> TaskOrder {
        order(self.id, self.expected_version, TaskCommand::Reopen)
    }

    pub(crate) fn delete(self) -> TaskOrder {
        order(self.id, self.expected_version, TaskCommand::Delete)
    }
}

impl TaskAssigneeInput {
    pub(crate) fn assign(self) -> TaskOrder {
        order(self.id, self.expected_version, TaskCommand::Assign(UserId(self.user_id)))
    }

    pub(crate) fn unassign(self) -> TaskOrder {
        order(self.id, self.expected_version, TaskCommand::Unassign(UserId(self.user_id)))
    }
}

impl TaskChangeStatusInput {
    pub(crate) fn parse(self) -> Result<TaskOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let reason = checks.value("blockedReason", self.blocked_reason.map(BlockedReason::new).transpose());
        let wish = reason.map(|blocked_reason| ChangeStatus { to: self.status.0, blocked_reason });
        let wish = checks.finish(wish)?;
        Ok(order(self.id, self.expected_version, TaskCommand::ChangeStatus(wish)))
    }
}

impl TaskChangePriorityInput {
    pub(crate) fn order(self) -> TaskOrder {
        order(self.id, self.expected_version, TaskCommand::ChangePriority(self.priority.0))
    }
}

impl TaskSetDueInput {
    pub(crate) fn parse(self) -> Result<TaskOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let due = self.due.parse(&mut checks, "due");
        let due = checks.finish(due)?;
        Ok(order(self.id, self.expected_version, TaskCommand::SetDue(due)))
    }
}

impl TaskMoveInput {
    pub(crate) fn order(self) -> TaskOrder {
        let wish = TaskWish::Move(ProjectId(self.project_id));
        TaskOrder { id: Some(TaskId(self.id)), expected_version: self.expected_version, wish }
    }
}

impl TaskCommentInput {
    pub(crate) fn parse(self) -> Result<TaskOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let body = checks.value("body", CommentBody::new(self.body));
        let body = checks.finish(body)?;
        Ok(TaskOrder { id: Some(TaskId(self.id)), expected_version: None, wish: TaskWish::Comment(body) })
    }
}
