//! Wishes about tasks.

use super::inputs::{
    TaskAssigneeInput, TaskChangePriorityInput, TaskChangeStatusInput, TaskCommentInput, TaskCreateInput, TaskInput, TaskMoveInput,
    TaskSetDueInput, TaskUpdateInput,
};
use super::types::Task;
use crate::graphql::context::{ContextExt, execute};
use crate::graphql::error::{UserError, answer, unanswered};
use crate::graphql::payload::{Done, current, entity, payload, refused};
use crate::graphql::scalars::Position;
use application::command::Command;
use async_graphql::{Context, Object, Result};
use domain::ids::TaskId;
use projections::task_list::{TaskList, TaskSelection, TaskView, find_task};

payload!(TaskPayload, task, Task, "task");

async fn send(ctx: &Context<'_>, command: Command) -> Result<Option<TaskPayload>> {
    let outcome = match execute(ctx, command).await {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Some(refused(answer(error)?))),
    };
    let task = entity(ctx, "task", &outcome, async {
        let id = TaskId(outcome.aggregate_id);
        let read = || async {
            let view = find_task(ctx.pool(), ctx.workspace(), id, TaskSelection::default(), ctx.now()).await.map_err(unanswered)?;
            Ok(view.map(|view| view.task))
        };
        let row = current::<TaskList, _>(ctx, id, &outcome, read, |row| row.version).await?;
        let view = |task| TaskView { task, project: None, project_overdue: None, schedule: None };
        Ok(row.map(|row| Task { view: view(row), seen: outcome.position }))
    });
    Ok(Some(TaskPayload::done(task.await, &Done::from(&outcome))))
}

/// Wishes about tasks.
#[derive(Default)]
pub struct TaskMutations;

/// Wishes about tasks.
#[Object]
impl TaskMutations {
    /// Creates a task, as one event. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, ID_TAKEN, TOO_MANY_TAGS,
    /// TOO_MANY_ASSIGNEES, INVALID_VALUE.
    async fn task_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskCreateInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskCreate(input.parse()?)).await
    }

    /// Sets the given fields of a task, as one event. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED,
    /// TOO_MANY_TAGS, INVALID_VALUE.
    async fn task_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskUpdateInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskUpdate(input.parse()?)).await
    }

    /// Adds an assignee to a task. Refusals: TASK_DONE, TOO_MANY_ASSIGNEES, PROJECT_ARCHIVED, PROJECT_DELETED,
    /// TASK_DELETED.
    async fn task_assign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskAssigneeInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskAssign(input.parse()?)).await
    }

    /// Removes an assignee from a task. Refusals: TASK_DONE, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_unassign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskAssigneeInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskUnassign(input.parse()?)).await
    }

    /// Changes the status of a task. Refusals: TRANSITION_NOT_ALLOWED, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED,
    /// INVALID_VALUE.
    async fn task_change_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskChangeStatusInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskChangeStatus(input.parse()?)).await
    }

    /// Changes the priority of a task. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_change_priority(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskChangePriorityInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskChangePriority(input.parse()?)).await
    }

    /// Sets the due date of a task. A schedule is created or moved with it. Refusals: TASK_DONE, PROJECT_ARCHIVED,
    /// PROJECT_DELETED, TASK_DELETED, INVALID_VALUE.
    async fn task_set_due(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskSetDueInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskSetDue(input.parse()?)).await
    }

    /// Clears the due date of a task. Refusals: TASK_DONE, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_clear_due(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskClearDue(input.parse()?)).await
    }

    /// Marks a task as done. Refusals: TRANSITION_NOT_ALLOWED, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_complete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskComplete(input.parse()?)).await
    }

    /// Reopens a done or cancelled task; its status becomes TODO. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED,
    /// TASK_DELETED.
    async fn task_reopen(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskReopen(input.parse()?)).await
    }

    /// Moves a task to another project, where it gets a new key; the old key still resolves to it. Refusals: TASK_DONE,
    /// PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_move(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskMoveInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskMove(input.parse()?)).await
    }

    /// Adds a comment to a task. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED, INVALID_VALUE.
    async fn task_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskCommentInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskComment(input.parse()?)).await
    }

    /// Deletes a task permanently. The payload shows its last state. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn task_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Input of the command.")] input: TaskInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskDelete(input.parse()?)).await
    }
}
