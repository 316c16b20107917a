//! The payload of commands on tasks.

use super::types::Task;
use crate::graphql::context::ContextExt;
use crate::graphql::error::unanswered;
use crate::graphql::payload::{current, payload};
use application::executor::Outcome;
use async_graphql::{Context, Result};
use domain::ids::TaskId;
use projections::task_list::{TaskList, TaskSelection, TaskView, find_task};

payload!(domain::task::Task => TaskPayload, task: Task = "task", task_after);

/// The task as it is after a command.
async fn task_after(ctx: &Context<'_>, outcome: &Outcome) -> Result<Option<Task>> {
    let id = TaskId(outcome.aggregate_id);
    let read = || async {
        let view = find_task(ctx.pool(), ctx.workspace(), id, TaskSelection::default(), ctx.now()).await.map_err(unanswered)?;
        Ok(view.map(|view| view.task))
    };
    let row = current::<TaskList, _>(ctx, id, outcome, read, |row| row.version).await?;
    let view = |task| TaskView { task, project: None, project_overdue: None, schedule: None };
    Ok(row.map(|row| Task { view: view(row), seen: outcome.position }))
}
