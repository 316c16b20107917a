//! Wishes about schedules.

use super::types::{Schedule, ThresholdUnit};
use crate::graphql::context::{ContextExt, execute, optional_uuid, uuid};
use crate::graphql::error::{UserError, answer, unanswered};
use crate::graphql::patch;
use crate::graphql::payload::{Done, current, entity, payload, refused};
use crate::graphql::scalars::Position;
use crate::graphql::task::DueInput;
use application::command::Command;
use application::inputs::{self, Wire};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use domain::ids::ScheduleId;
use projections::schedules::{ScheduleSelection, ScheduleView, Schedules, find_schedule};

/// A time before the due instant.
#[derive(InputObject)]
pub struct ThresholdInput {
    /// Number of units, at most ten years in total.
    amount: i32,
    /// Unit.
    unit: ThresholdUnit,
}

/// Input of `scheduleCreate`. Without a project and a task it creates a milestone.
#[derive(InputObject)]
pub struct ScheduleCreateInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// ID of the new schedule, a UUID. Generated if omitted.
    id: Option<ID>,
    /// The project of the schedule.
    project_id: Option<ID>,
    /// The task of the schedule, if any.
    task_id: Option<ID>,
    /// One line of 1 to 200 characters.
    title: String,
    /// When it is due. A date without a time zone ends in the time zone of the project; for a milestone in UTC.
    due: DueInput,
    /// Thresholds at which it warns, at most 20. 3 days if omitted.
    thresholds: Option<Vec<ThresholdInput>>,
}

/// Input of `scheduleUpdate`. An omitted field keeps its value.
#[derive(InputObject)]
pub struct ScheduleUpdateInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
    expected_version: Option<i32>,
    /// The schedule.
    id: ID,
    /// One line of 1 to 200 characters.
    title: MaybeUndefined<String>,
    /// Thresholds at which it warns, at most 20, replacing the current ones; [] for none.
    thresholds: MaybeUndefined<Vec<ThresholdInput>>,
}

/// Input of `scheduleReschedule`.
#[derive(InputObject)]
pub struct ScheduleRescheduleInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the due instant has changed since this version.
    expected_version: Option<i32>,
    /// The schedule.
    id: ID,
    /// When it is due.
    due: DueInput,
}

/// Input of commands that take only a schedule.
#[derive(InputObject)]
pub struct ScheduleInput {
    /// Makes the command safe to retry: a UUID that you generate for each command.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
    expected_version: Option<i32>,
    /// The schedule.
    id: ID,
}

impl ThresholdInput {
    fn parse(self) -> inputs::ThresholdInput {
        inputs::ThresholdInput { amount: i64::from(self.amount), unit: Wire(self.unit.into()) }
    }

    fn all(given: Vec<Self>) -> Vec<inputs::ThresholdInput> {
        given.into_iter().map(Self::parse).collect()
    }
}

impl ScheduleCreateInput {
    fn parse(self) -> Result<inputs::ScheduleCreateInput> {
        Ok(inputs::ScheduleCreateInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            id: optional_uuid("id", self.id.as_ref())?,
            project_id: optional_uuid("projectId", self.project_id.as_ref())?,
            task_id: optional_uuid("taskId", self.task_id.as_ref())?,
            title: self.title,
            due: self.due.parse(),
            thresholds: self.thresholds.map(ThresholdInput::all),
        })
    }
}

impl ScheduleUpdateInput {
    fn parse(self) -> Result<inputs::ScheduleUpdateInput> {
        Ok(inputs::ScheduleUpdateInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            title: patch(self.title, |title| title),
            thresholds: patch(self.thresholds, ThresholdInput::all),
        })
    }
}

impl ScheduleRescheduleInput {
    fn parse(self) -> Result<inputs::ScheduleRescheduleInput> {
        Ok(inputs::ScheduleRescheduleInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            due: self.due.parse(),
        })
    }
}

impl ScheduleInput {
    fn parse(self) -> Result<inputs::ScheduleInput> {
        Ok(inputs::ScheduleInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
        })
    }
}

payload!(SchedulePayload, schedule, Schedule, "schedule");

async fn send(ctx: &Context<'_>, command: Command) -> Result<Option<SchedulePayload>> {
    let outcome = match execute(ctx, command).await {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Some(refused(answer(error)?))),
    };
    let schedule = entity(ctx, "schedule", &outcome, async {
        let id = ScheduleId(outcome.aggregate_id);
        let read = || async {
            let view = find_schedule(ctx.pool(), ctx.workspace(), id, ScheduleSelection::default()).await.map_err(unanswered)?;
            Ok(view.map(|view| view.schedule))
        };
        let row = current::<Schedules, _>(ctx, id, &outcome, read, |row| row.version).await?;
        let view = |schedule| ScheduleView { schedule, project: None, task: None };
        Ok(row.map(|row| Schedule { view: view(row), seen: outcome.position }))
    });
    Ok(Some(SchedulePayload::done(schedule.await, &Done::from(&outcome))))
}

/// Wishes about schedules.
#[derive(Default)]
pub struct ScheduleMutations;

/// Wishes about schedules.
#[Object]
impl ScheduleMutations {
    /// Creates a schedule. Of thresholds that have already passed, only the last fires. Refusals: PROJECT_ARCHIVED,
    /// PROJECT_DELETED, TASK_DELETED, ID_TAKEN, TOO_MANY_THRESHOLDS, INVALID_VALUE.
    async fn schedule_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ScheduleCreateInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleCreate(input.parse()?)).await
    }

    /// Sets the given fields of a schedule. Refusals: FOLLOWS_TASK, SCHEDULE_DELETED, PROJECT_ARCHIVED,
    /// PROJECT_DELETED, TOO_MANY_THRESHOLDS, INVALID_VALUE.
    async fn schedule_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ScheduleUpdateInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleUpdate(input.parse()?)).await
    }

    /// Changes when a schedule is due. This starts a new due revision; thresholds of the old one no longer fire.
    /// Refusals: FOLLOWS_TASK, SCHEDULE_MET, SCHEDULE_DELETED, PROJECT_ARCHIVED, PROJECT_DELETED, INVALID_VALUE.
    async fn schedule_reschedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ScheduleRescheduleInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleReschedule(input.parse()?)).await
    }

    /// Marks a schedule as met, so that it no longer fires. Refusals: FOLLOWS_TASK, SCHEDULE_DELETED, PROJECT_ARCHIVED,
    /// PROJECT_DELETED.
    async fn schedule_meet(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ScheduleInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleMeet(input.parse()?)).await
    }

    /// Deletes a schedule permanently. Refusals: FOLLOWS_TASK, PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn schedule_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: ScheduleInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleDelete(input.parse()?)).await
    }
}
