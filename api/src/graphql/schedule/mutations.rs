//! Wishes about schedules.

use super::types::{Schedule, ThresholdUnit};
use crate::graphql::context::{ContextExt, execute, optional_uuid, uuid};
use crate::graphql::error::{UserError, answer, unanswered};
use crate::graphql::patch;
use crate::graphql::payload::{Done, current, entity, payload, refused};
use crate::graphql::scalars::Position;
use crate::graphql::task::DueInput;
use application::commands::{self, Command, Wire};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use domain::ids::ScheduleId;
use projections::schedules::{ScheduleSelection, ScheduleView, Schedules, find_schedule};

/// A lead before the due moment.
#[derive(InputObject)]
pub struct ThresholdInput {
    /// How many units, up to ten years.
    amount: i32,
    /// Of what.
    unit: ThresholdUnit,
}

/// Input of `scheduleCreate`. Without a project and a task it is a bare milestone.
#[derive(InputObject)]
pub struct ScheduleCreateInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// The id of the new schedule, a UUID. Not given: one is made.
    id: Option<ID>,
    /// The project it is about.
    project_id: Option<ID>,
    /// The task it is about.
    task_id: Option<ID>,
    /// One line of 1 to 200 characters.
    title: String,
    /// When it is due. A date without a zone ends in the project's zone; for a bare milestone in UTC.
    due: DueInput,
    /// When it warns before that, at most 20. Not given: 3 days ahead.
    thresholds: Option<Vec<ThresholdInput>>,
}

/// Input of `scheduleUpdate`. A field left out stays as it is.
#[derive(InputObject)]
pub struct ScheduleUpdateInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if a field that this sets has changed since this version.
    expected_version: Option<i32>,
    /// The schedule.
    id: ID,
    /// One line of 1 to 200 characters.
    title: MaybeUndefined<String>,
    /// When it warns, at most 20, instead of what it has; [] for never.
    thresholds: MaybeUndefined<Vec<ThresholdInput>>,
}

/// Input of `scheduleReschedule`.
#[derive(InputObject)]
pub struct ScheduleRescheduleInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if the due moment has changed since this version.
    expected_version: Option<i32>,
    /// The schedule.
    id: ID,
    /// When it is due.
    due: DueInput,
}

/// Input of commands that name a schedule and nothing else.
#[derive(InputObject)]
pub struct ScheduleInput {
    /// Makes it safe to send the command again: a UUID of your own for every new wish.
    command_id: Option<ID>,
    /// Fails with VERSION_CONFLICT if what this sets has changed since this version.
    expected_version: Option<i32>,
    /// The schedule.
    id: ID,
}

impl ThresholdInput {
    fn parse(self) -> commands::ThresholdInput {
        commands::ThresholdInput { amount: i64::from(self.amount), unit: Wire(self.unit.into()) }
    }

    fn all(given: Vec<Self>) -> Vec<commands::ThresholdInput> {
        given.into_iter().map(Self::parse).collect()
    }
}

impl ScheduleCreateInput {
    fn parse(self) -> Result<commands::ScheduleCreateInput> {
        Ok(commands::ScheduleCreateInput {
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
    fn parse(self) -> Result<commands::ScheduleUpdateInput> {
        Ok(commands::ScheduleUpdateInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            title: patch(self.title, |title| title),
            thresholds: patch(self.thresholds, ThresholdInput::all),
        })
    }
}

impl ScheduleRescheduleInput {
    fn parse(self) -> Result<commands::ScheduleRescheduleInput> {
        Ok(commands::ScheduleRescheduleInput {
            command_id: optional_uuid("commandId", self.command_id.as_ref())?,
            expected_version: self.expected_version.map(i64::from),
            id: uuid("id", &self.id)?,
            due: self.due.parse(),
        })
    }
}

impl ScheduleInput {
    fn parse(self) -> Result<commands::ScheduleInput> {
        Ok(commands::ScheduleInput {
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
    /// Begins a schedule. Of thresholds that have passed already, only the most severe fires. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED,
    /// TASK_DELETED, ID_TAKEN, TOO_MANY_THRESHOLDS, INVALID_VALUE.
    async fn schedule_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to create.")] input: ScheduleCreateInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleCreate(input.parse()?)).await
    }

    /// Sets the given fields. Refusals: FOLLOWS_TASK, SCHEDULE_DELETED, PROJECT_ARCHIVED, PROJECT_DELETED, TOO_MANY_THRESHOLDS, INVALID_VALUE.
    async fn schedule_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to set.")] input: ScheduleUpdateInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleUpdate(input.parse()?)).await
    }

    /// Moves the due moment. It opens a new due revision; what had not fired never will. Refusals: FOLLOWS_TASK, SCHEDULE_MET,
    /// SCHEDULE_DELETED, PROJECT_ARCHIVED, PROJECT_DELETED, INVALID_VALUE.
    async fn schedule_reschedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which schedule, and when it is due.")] input: ScheduleRescheduleInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleReschedule(input.parse()?)).await
    }

    /// Calls a schedule met: it fires no more. Refusals: FOLLOWS_TASK, SCHEDULE_DELETED, PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn schedule_meet(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which schedule.")] input: ScheduleInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleMeet(input.parse()?)).await
    }

    /// Deletes a schedule for good. Refusals: FOLLOWS_TASK, PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn schedule_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which schedule.")] input: ScheduleInput,
    ) -> Result<Option<SchedulePayload>> {
        send(ctx, Command::ScheduleDelete(input.parse()?)).await
    }
}
