//! Inputs of commands on tasks, and how they become commands of the domain.

use crate::executor::{Checked, Request};
use crate::input::{Checks, Day, Id, Int, Moment, Patch, TaskPriority, TaskStatus, Text, Zone, define_inputs};
use crate::ports::Ids;
use domain::ids::{CommentId, ProjectId, UserId};
use domain::task::{ChangeStatus, Comment, CreateTask, MoveTask, TaskCommand, UpdateTask};
use domain::values::{
    Assignees, BlockedReason, Category, CommentBody, Description, DueRequest, InvalidValue, Priority, Tag, Tags, Title, parse_zone,
    valid_date, valid_instant,
};

/// Longest estimate, in minutes: ten years without a break.
pub const ESTIMATE_MINUTES_MAX: i64 = 5_256_000;

/// The inputs of commands on tasks, as `$define` makes them: see [`define_inputs`] for the form of a row.
#[macro_export]
macro_rules! task_inputs {
    ($define:ident) => {
        $define! {
            /// When something is due: exactly one of `date` and `at`. `timeZone` applies to `date` and defaults to the time zone of
            /// the project.
            input DueInput {
                /// Due at the end of this day.
                date: Option<Day>,
                /// Due at this instant.
                at: Option<Moment>,
                /// Time zone in which the day ends.
                time_zone: Option<Zone>,
            }

            /// Input of `taskCreate`.
            #[derive(Default)]
            input TaskCreateInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// ID of the new task, a UUID. Generated if omitted.
                id: Option<Id>,
                /// The project of the new task.
                project_id: Id,
                /// One line of 1 to 200 characters.
                title: Text,
                /// At most 64 KiB.
                description: Option<Text>,
                /// MEDIUM if omitted.
                priority: Option<TaskPriority>,
                /// One line of 1 to 50 characters.
                category: Option<Text>,
                /// At most 50 tags, each one line of 1 to 50 characters.
                tags: Option<Vec<Text>>,
                /// At most 50 users.
                assignee_ids: Option<Vec<Id>>,
                /// When it is due.
                due: Option<DueInput>,
                /// Estimated duration in minutes, 0 to 5,256,000.
                estimate_minutes: Option<Int>,
            }

            /// Input of `taskUpdate`. An omitted field keeps its value; null clears it.
            input TaskUpdateInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
                expected_version: Option<Int>,
                /// The task.
                id: Id,
            } patch {
                /// One line of 1 to 200 characters.
                title: Text,
                /// At most 64 KiB; null clears it.
                description: Text,
                /// One line of 1 to 50 characters.
                category: Text,
                /// At most 50 tags, each one line of 1 to 50 characters, replacing the current ones; null removes all.
                tags: Vec<Text>,
                /// Estimated duration in minutes, 0 to 5,256,000.
                estimate_minutes: Int,
            }

            /// Input of commands that take only a task.
            input TaskInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
                expected_version: Option<Int>,
                /// The task.
                id: Id,
            }

            /// Input of `taskAssign` and `taskUnassign`.
            input TaskAssigneeInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if the assignees have changed since this version.
                expected_version: Option<Int>,
                /// The task.
                id: Id,
                /// The user.
                user_id: Id,
            }

            /// Input of `taskChangeStatus`.
            input TaskChangeStatusInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if the status has changed since this version.
                expected_version: Option<Int>,
                /// The task.
                id: Id,
                /// The new status. DONE equals `taskComplete`.
                status: TaskStatus,
                /// Why the task is blocked, one line of 1 to 1000 characters. Required with BLOCKED and not allowed otherwise.
                blocked_reason: Option<Text>,
            }

            /// Input of `taskChangePriority`.
            input TaskChangePriorityInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if the priority has changed since this version.
                expected_version: Option<Int>,
                /// The task.
                id: Id,
                /// The new priority.
                priority: TaskPriority,
            }

            /// Input of `taskSetDue`.
            input TaskSetDueInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if the due instant has changed since this version.
                expected_version: Option<Int>,
                /// The task.
                id: Id,
                /// When it is due.
                due: DueInput,
            }

            /// Input of `taskMove`.
            input TaskMoveInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if the project has changed since this version.
                expected_version: Option<Int>,
                /// The task.
                id: Id,
                /// The new project.
                project_id: Id,
            }

            /// Input of `taskComment`.
            input TaskCommentInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// The task.
                id: Id,
                /// Text of the comment, at most 64 KiB.
                body: Text,
            }
        }
    };
}

task_inputs!(define_inputs);

impl DueInput {
    pub(crate) fn check(self, checks: &mut Checks, path: &str) -> Option<DueRequest> {
        let zone = self.time_zone.map(|name| checks.value(&format!("{path}.timeZone"), parse_zone(&name)));
        match (self.date, self.at) {
            (Some(date), None) => {
                let date = checks.value(&format!("{path}.date"), valid_date(date))?;
                Some(DueRequest::On(date, zone.flatten()))
            }
            (None, Some(at)) if zone.is_none() => checks.value(&format!("{path}.at"), valid_instant(at.0)).map(DueRequest::At),
            (None, Some(_)) => {
                let message = "timeZone applies only to date; omit it with at, which is already an instant";
                checks.value(&format!("{path}.timeZone"), Err(InvalidValue::new(message)))
            }
            (Some(_), Some(_)) | (None, None) => checks.value(path, Err(InvalidValue::new("give exactly one of date and at"))),
        }
    }
}

fn check_tags(checks: &mut Checks, tags: Vec<String>) -> Option<Tags> {
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
    pub(crate) fn request(self) -> Checked<TaskCommand> {
        let create = Checks::all(|checks| {
            let title = checks.value("title", Title::new(self.title));
            let description = checks.value("description", self.description.map_or_else(|| Ok(Description::empty()), Description::new));
            let category = checks.value("category", self.category.map(Category::new).transpose());
            let tags = check_tags(checks, self.tags.unwrap_or_default());
            let people = self.assignee_ids.unwrap_or_default();
            let assignee_ids = checks.value("assigneeIds", Assignees::new(people.into_iter().map(UserId)));
            let due = self.due.map(|due| due.check(checks, "due"));
            let estimate_minutes = checks.value("estimateMinutes", self.estimate_minutes.map(estimate).transpose());
            Some(CreateTask {
                project_id: ProjectId(self.project_id),
                title: title?,
                description: description?,
                priority: self.priority.map_or_else(Priority::default, |priority| priority.0),
                category: category?,
                tags: tags?,
                assignee_ids: assignee_ids?,
                due: due.flatten(),
                estimate_minutes: estimate_minutes?,
            })
        })?;
        Ok(Request::create(self.id, TaskCommand::Create(Box::new(create))))
    }
}

impl TaskUpdateInput {
    pub(crate) fn request(self) -> Checked<TaskCommand> {
        let update = Checks::all(|checks| {
            Some(UpdateTask {
                title: self.title.required(checks, "title", Title::new),
                description: self.description.or_empty(checks, "description", Description::empty(), Description::new),
                category: self.category.clearable(checks, "category", Category::new),
                tags: match self.tags {
                    Patch::Absent => None,
                    Patch::Null => Some(Tags::default()),
                    Patch::Value(given) => check_tags(checks, given),
                },
                estimate_minutes: self.estimate_minutes.clearable(checks, "estimateMinutes", estimate),
            })
        })?;
        Ok(Request::on(self.id, self.expected_version, TaskCommand::Update(Box::new(update))))
    }
}

impl TaskInput {
    pub(crate) fn request(self, command: TaskCommand) -> Checked<TaskCommand> {
        Ok(Request::on(self.id, self.expected_version, command))
    }
}

impl TaskAssigneeInput {
    pub(crate) fn request(self, command: fn(UserId) -> TaskCommand) -> Checked<TaskCommand> {
        Ok(Request::on(self.id, self.expected_version, command(UserId(self.user_id))))
    }
}

impl TaskChangeStatusInput {
    pub(crate) fn request(self) -> Checked<TaskCommand> {
        let blocked_reason = Checks::all(|checks| checks.value("blockedReason", self.blocked_reason.map(BlockedReason::new).transpose()))?;
        let change = ChangeStatus { to: self.status.0, blocked_reason };
        Ok(Request::on(self.id, self.expected_version, TaskCommand::ChangeStatus(change)))
    }
}

impl TaskChangePriorityInput {
    pub(crate) fn request(self) -> Checked<TaskCommand> {
        Ok(Request::on(self.id, self.expected_version, TaskCommand::ChangePriority(self.priority.0)))
    }
}

impl TaskSetDueInput {
    pub(crate) fn request(self) -> Checked<TaskCommand> {
        let due = Checks::all(|checks| self.due.check(checks, "due"))?;
        Ok(Request::on(self.id, self.expected_version, TaskCommand::SetDue(due)))
    }
}

impl TaskMoveInput {
    pub(crate) fn request(self) -> Checked<TaskCommand> {
        let project_id = ProjectId(self.project_id);
        Ok(Request::on(self.id, self.expected_version, TaskCommand::Move(MoveTask { project_id })))
    }
}

impl TaskCommentInput {
    pub(crate) fn request(self, ids: &dyn Ids) -> Checked<TaskCommand> {
        let body = Checks::all(|checks| checks.value("body", CommentBody::new(self.body)))?;
        let comment = Comment { comment_id: CommentId(ids.new_id()), body };
        Ok(Request::on(self.id, None, TaskCommand::Comment(comment)))
    }
}
