//! What a schedule and its firings look like.

use crate::graphql::connection::connection;
use crate::graphql::context::{ContextExt, missing, seen};
use crate::graphql::loaders::FiringsOf;
use crate::graphql::project::Project;
use crate::graphql::scalars::{DateTime, Long, Position, version};
use crate::graphql::task::{Due, Task};
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use domain::ids::ScheduleId;
use domain::values::ThresholdUnit as Unit;
use projections::deadline_log::{DeadlineLog, FiringRow};
use projections::model::ReadModel;
use projections::project_overview::ProjectView;
use projections::schedules::{ScheduleRow, ScheduleView, Schedules};
use projections::task_list::TaskView;

/// State of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "projections::schedules::ScheduleState")]
pub enum ScheduleState {
    /// No deadline event of the current due revision has fired.
    Pending,
    /// A threshold was reached.
    Approaching,
    /// The due instant has passed.
    Overdue,
    /// Marked as met, in time or late.
    Met,
    /// Permanently deleted.
    Deleted,
}

/// Kind of deadline event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum DeadlineKind {
    /// A threshold before the due instant was reached.
    Approaching,
    /// The due instant has passed.
    Overdue,
}

/// Unit of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::values::ThresholdUnit")]
pub enum ThresholdUnit {
    /// 60 seconds.
    Minutes,
    /// 60 minutes.
    Hours,
    /// Calendar days in the time zone of the schedule.
    Days,
}

/// A time before the due instant.
#[derive(Debug, Clone, SimpleObject)]
pub struct Threshold {
    /// Number of units.
    amount: i32,
    /// Unit.
    unit: ThresholdUnit,
}

impl From<domain::values::Threshold> for Threshold {
    fn from(threshold: domain::values::Threshold) -> Self {
        Self { amount: i32::try_from(threshold.amount).unwrap_or(i32::MAX), unit: Unit::into(threshold.unit) }
    }
}

/// A deadline with warnings: of a project, of a task, or on its own as a milestone.
#[derive(Clone)]
pub struct Schedule {
    pub(crate) view: ScheduleView,
    /// What is nested is read no earlier than at this position.
    pub(crate) seen: i64,
}

/// A deadline with warnings: of a project, of a task, or on its own as a milestone.
#[Object]
impl Schedule {
    /// ID of the object, a UUID.
    pub(crate) async fn id(&self) -> ID {
        ID(self.view.schedule.id.to_string())
    }

    /// Title of the schedule, one line.
    async fn title(&self) -> &str {
        &self.view.schedule.title
    }

    /// State of the schedule.
    async fn state(&self) -> ScheduleState {
        self.view.schedule.state.into()
    }

    /// When it is due.
    async fn due(&self) -> Due {
        self.view.schedule.due.into()
    }

    /// How often the due instant has been set, from 1. Each threshold fires at most once in each revision.
    async fn due_revision(&self) -> i32 {
        self.view.schedule.due_revision
    }

    /// Thresholds at which it warns, earliest first.
    async fn thresholds(&self) -> Vec<Threshold> {
        self.view.schedule.thresholds.iter().map(|threshold| threshold.lead().into()).collect()
    }

    /// Instant at which the schedule fires next; null if none is left or the project is archived.
    async fn next_fire_at(&self) -> Option<DateTime> {
        let schedule = &self.view.schedule;
        schedule.next_fire_at.filter(|_| !schedule.is_silenced()).map(DateTime)
    }

    /// The project of the schedule or of its task; null for a milestone.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>> {
        match (&self.view.project, self.view.schedule.project_id) {
            (Some(project), _) => {
                Ok(project.clone().map(|project| Project { view: ProjectView { project, overdue: None }, seen: self.seen }))
            }
            (None, Some(id)) => Project::load(ctx, id, self.seen).await,
            (None, None) => Ok(None),
        }
    }

    /// The task of the schedule, if any.
    async fn task(&self, ctx: &Context<'_>) -> Result<Option<Task>> {
        let view = |task| TaskView { task, project: None, project_overdue: None, schedule: None };
        match (&self.view.task, self.view.schedule.task_id) {
            (Some(task), _) => Ok(task.clone().map(|task| Task { view: view(task), seen: self.seen })),
            (None, Some(id)) => Task::load(ctx, id, self.seen).await,
            (None, None) => Ok(None),
        }
    }

    /// The latest 25 deadline events, oldest first, of any due revision. `deadlines` with `scheduleId` lists all of
    /// them.
    async fn firings(&self, ctx: &Context<'_>) -> Result<Vec<DeadlineFiring>> {
        seen(ctx, &[DeadlineLog::NAME], self.seen).await?;
        let rows = ctx.loaders().load_one(FiringsOf(self.view.schedule.id)).await?.unwrap_or_default();
        let schedule = &self.view.schedule;
        Ok(rows.into_iter().map(|row| DeadlineFiring { row, schedule: Some(schedule.clone()), seen: self.seen }).collect())
    }

    /// When the object was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.view.schedule.created_at)
    }

    /// When the schedule last changed or fired.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.view.schedule.updated_at)
    }

    /// Version of the object: the number of its events, from 1. For `expectedVersion`.
    async fn version(&self) -> i32 {
        version(self.view.schedule.version)
    }
}

impl Schedule {
    pub(crate) fn of_row(schedule: ScheduleRow, seen: i64) -> Self {
        Self { view: ScheduleView { schedule, project: None, task: None }, seen }
    }

    async fn load(ctx: &Context<'_>, id: ScheduleId, position: i64) -> Result<Self> {
        seen(ctx, &[Schedules::NAME], position).await?;
        let row = ctx.loaders().load_one(id).await?;
        row.map(|row| Self::of_row(row, position)).ok_or_else(|| missing("the schedule of a firing"))
    }
}

/// A deadline event. There is at most one for each schedule, due revision and threshold; OVERDUE has no threshold.
#[derive(Clone)]
pub struct DeadlineFiring {
    pub(crate) row: FiringRow,
    pub(crate) schedule: Option<ScheduleRow>,
    /// What is nested is read no earlier than at this position.
    pub(crate) seen: i64,
}

/// A deadline event. There is at most one for each schedule, due revision and threshold; OVERDUE has no threshold.
#[Object]
impl DeadlineFiring {
    /// ID of the object, a UUID derived from the schedule, the due revision and the instant.
    pub(crate) async fn id(&self) -> ID {
        ID(self.row.id.to_string())
    }

    /// The schedule that fired.
    async fn schedule(&self, ctx: &Context<'_>) -> Result<Schedule> {
        match &self.schedule {
            Some(schedule) => Ok(Schedule::of_row(schedule.clone(), self.seen)),
            None => Schedule::load(ctx, self.row.schedule_id, self.seen.max(self.row.position)).await,
        }
    }

    /// Kind of deadline event.
    async fn kind(&self) -> DeadlineKind {
        if self.row.threshold.is_some() { DeadlineKind::Approaching } else { DeadlineKind::Overdue }
    }

    /// The threshold that was reached; null for OVERDUE.
    async fn threshold(&self) -> Option<Threshold> {
        self.row.threshold.map(Threshold::from)
    }

    /// The due revision that the event belongs to.
    async fn due_revision(&self) -> i32 {
        self.row.due_revision
    }

    /// The due instant of that revision.
    async fn due_at(&self) -> DateTime {
        DateTime(self.row.due_at)
    }

    /// When the event fired.
    async fn fired_at(&self) -> DateTime {
        DateTime(self.row.fired_at)
    }

    /// Milliseconds between the instant at which the event should have fired and the instant at which it did.
    async fn late_by_ms(&self) -> Long {
        Long(self.row.late_by_ms)
    }

    /// Position of the event in the log.
    async fn position(&self) -> Position {
        Position(self.row.position)
    }
}

connection!(ScheduleConnection, ScheduleEdge, Schedule, "schedules");
connection!(DeadlineFiringConnection, DeadlineFiringEdge, DeadlineFiring, "deadline events");
