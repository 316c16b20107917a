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
use application::commands::Command;
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
    /// Begins a task. A creation is one event, whatever it sets. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, ID_TAKEN, TOO_MANY_TAGS,
    /// TOO_MANY_ASSIGNEES, INVALID_VALUE.
    async fn task_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to create.")] input: TaskCreateInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskCreate(input.parse()?)).await
    }

    /// Sets the given fields; several at once are one event. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED, TOO_MANY_TAGS,
    /// INVALID_VALUE.
    async fn task_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to set.")] input: TaskUpdateInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskUpdate(input.parse()?)).await
    }

    /// Assigns somebody. Refusals: TASK_DONE, TOO_MANY_ASSIGNEES, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_assign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, to what.")] input: TaskAssigneeInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskAssign(input.parse()?)).await
    }

    /// Unassigns somebody. Refusals: TASK_DONE, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_unassign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, from what.")] input: TaskAssigneeInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskUnassign(input.parse()?)).await
    }

    /// Moves a task along. Refusals: TRANSITION_NOT_ALLOWED, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED, INVALID_VALUE.
    async fn task_change_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task, and where it goes.")] input: TaskChangeStatusInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskChangeStatus(input.parse()?)).await
    }

    /// Makes a task more or less pressing. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_change_priority(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task, and how pressing it is.")] input: TaskChangePriorityInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskChangePriority(input.parse()?)).await
    }

    /// Sets when a task is due; a schedule follows it. Refusals: TASK_DONE, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED, INVALID_VALUE.
    async fn task_set_due(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task, and when it is due.")] input: TaskSetDueInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskSetDue(input.parse()?)).await
    }

    /// Lets a task be due at no moment. Refusals: TASK_DONE, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_clear_due(&self, ctx: &Context<'_>, #[graphql(desc = "Which task.")] input: TaskInput) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskClearDue(input.parse()?)).await
    }

    /// Calls a task done. Refusals: TRANSITION_NOT_ALLOWED, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_complete(&self, ctx: &Context<'_>, #[graphql(desc = "Which task.")] input: TaskInput) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskComplete(input.parse()?)).await
    }

    /// Takes a done or cancelled task up again, to do. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
    async fn task_reopen(&self, ctx: &Context<'_>, #[graphql(desc = "Which task.")] input: TaskInput) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskReopen(input.parse()?)).await
    }

    /// Takes a task to another project, where it gets a new number; the old key still leads to it. Refusals: TASK_DONE, PROJECT_ARCHIVED,
    /// PROJECT_DELETED, TASK_DELETED.
    async fn task_move(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task, and where it goes.")] input: TaskMoveInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskMove(input.parse()?)).await
    }

    /// Says something about a task. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED, INVALID_VALUE.
    async fn task_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to say, about which task.")] input: TaskCommentInput,
    ) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskComment(input.parse()?)).await
    }

    /// Deletes a task for good; the payload shows it as it was last. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED.
    async fn task_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which task.")] input: TaskInput) -> Result<Option<TaskPayload>> {
        send(ctx, Command::TaskDelete(input.parse()?)).await
    }
}
