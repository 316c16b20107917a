//! The payload of commands on schedules.

use super::types::Schedule;
use crate::graphql::context::ContextExt;
use crate::graphql::error::unanswered;
use crate::graphql::payload::{current, payload};
use application::executor::Outcome;
use async_graphql::{Context, Result};
use domain::ids::ScheduleId;
use projections::schedules::{ScheduleSelection, ScheduleView, Schedules, find_schedule};

payload!(domain::schedule::Schedule => SchedulePayload, schedule: Schedule = "schedule", schedule_after);

/// The schedule as it is after a command.
async fn schedule_after(ctx: &Context<'_>, outcome: &Outcome) -> Result<Option<Schedule>> {
    let id = ScheduleId(outcome.aggregate_id);
    let read = || async {
        let view = find_schedule(ctx.pool(), ctx.workspace(), id, ScheduleSelection::default()).await.map_err(unanswered)?;
        Ok(view.map(|view| view.schedule))
    };
    let row = current::<Schedules, _>(ctx, id, outcome, read, |row| row.version).await?;
    let view = |schedule| ScheduleView { schedule, project: None, task: None };
    Ok(row.map(|row| Schedule { view: view(row), seen: outcome.position }))
}
