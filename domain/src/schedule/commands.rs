//! Commands on a schedule.

use crate::fields::Fields;
use crate::ids::{ProjectId, TaskId, WorkspaceId};
use crate::issued::DomainCommand;
use crate::project::Home;
use crate::task::{Status, Task};
use crate::values::{Assignees, Due, DueRequest, Instant, Thresholds, Title};

/// The project and the task that a schedule is about, as they are when a command is decided.
#[derive(Debug, Clone, Default)]
pub struct ScheduleContext {
    /// The project of the schedule, or of its task.
    pub home: Option<Home>,
    /// The task, if the schedule is about one.
    pub task: Option<FollowedTask>,
}

/// What a schedule needs to know of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedTask {
    pub id: TaskId,
    pub workspace_id: WorkspaceId,
    pub project_id: ProjectId,
    /// `None` when the task is deleted.
    pub plan: Option<Plan>,
}

/// What is planned for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its number in the project.
    pub number: u32,
    pub title: Title,
    pub due: Option<Due>,
    pub status: Status,
    /// When it was done, where it is done.
    pub completed_at: Option<Instant>,
    pub assignee_ids: Assignees,
}

impl FollowedTask {
    /// The task as a schedule sees it, unless there is none.
    pub fn of(id: TaskId, task: &Task) -> Option<Self> {
        match task {
            Task::Absent => None,
            Task::Deleted { workspace_id, project_id } => {
                Some(Self { id, workspace_id: *workspace_id, project_id: *project_id, plan: None })
            }
            Task::Live(live) => Some(Self {
                id,
                workspace_id: live.workspace_id,
                project_id: live.project_id,
                plan: Some(Plan {
                    number: live.number,
                    title: live.title.clone(),
                    due: live.due,
                    status: live.status,
                    completed_at: live.completed_at,
                    assignee_ids: live.assignee_ids.clone(),
                }),
            }),
        }
    }
}

/// A command on one schedule.
#[derive(Debug, Clone)]
pub enum ScheduleCommand {
    Create(Box<CreateSchedule>),
    Update(UpdateSchedule),
    Reschedule(DueRequest),
    Meet,
    Delete,
    /// Fires what is due now, if anything is.
    Tick,
    /// Creates the schedule that follows the due date of a task.
    StartFollowing(TaskId),
    /// Brings the schedule in step with the task that it follows.
    Follow,
}

/// Creates a schedule.
#[derive(Debug, Clone)]
pub struct CreateSchedule {
    /// The project it is about. With `task_id` it must be the task's project.
    pub project_id: Option<ProjectId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    pub title: Title,
    pub due: DueRequest,
    pub thresholds: Thresholds,
}

/// Sets the given fields. `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct UpdateSchedule {
    pub title: Option<Title>,
    pub thresholds: Option<Thresholds>,
}

impl DomainCommand for ScheduleCommand {
    fn creates(&self) -> bool {
        matches!(self, Self::Create(_) | Self::StartFollowing(_))
    }

    fn fields(&self) -> Fields {
        match self {
            Self::Create(_) | Self::Delete | Self::StartFollowing(_) | Self::Follow => Fields::All,
            Self::Update(update) => Fields::which([("title", update.title.is_some()), ("thresholds", update.thresholds.is_some())]),
            Self::Reschedule(_) => Fields::one("due"),
            Self::Meet => Fields::one("state"),
            Self::Tick => Fields::Some(vec![]),
        }
    }
}
