//! The rules of a task. Pure: what is needed rides in the command.

use super::{
    ChangeStatus, Comment, CreateTask, LiveTask, MoveTask, Status, Task, TaskAssigned, TaskChanges, TaskCommand, TaskCommented,
    TaskCompleted, TaskContext, TaskCreated, TaskDeleted, TaskDueDateChanged, TaskError, TaskEvent, TaskMoved, TaskPriorityChanged,
    TaskReopened, TaskStatusChanged, TaskUnassigned, TaskUpdated, UpdateTask,
};
use crate::ids::{UserId, WorkspaceId};
use crate::issued::Issued;
use crate::project::{Home, Phase};
use crate::values::limits::ASSIGNEES_MAX;
use crate::values::{Change, Due, Instant, Priority};

type Decision = Result<Vec<TaskEvent>, TaskError>;

/// The events that a command results in, or the rule that refuses it.
pub fn decide(task: &Task, issued: Issued<TaskCommand, TaskContext>) -> Decision {
    let Issued { workspace, at, command, context, .. } = issued;
    let home = &context.home;
    match (task, command) {
        (Task::Absent, TaskCommand::Create(create)) => {
            active(home, workspace)?;
            self::create(*create, home, workspace, at)
        }
        (Task::Live(_) | Task::Deleted { .. }, TaskCommand::Create(_)) => Err(TaskError::IdTaken),
        (Task::Live(live), command) if live.workspace_id == workspace => {
            active(home, workspace)?;
            apply(live, command, &context, at)
        }
        (Task::Deleted { workspace_id, .. }, command) if *workspace_id == workspace => {
            active(home, workspace)?;
            if matches!(command, TaskCommand::Delete) { Ok(vec![]) } else { Err(TaskError::TaskDeleted) }
        }
        (Task::Absent | Task::Live(_) | Task::Deleted { .. }, _) => Err(TaskError::NotFound),
    }
}

/// A task lives in an active project, or nothing about it changes.
fn active(home: &Home, workspace: WorkspaceId) -> Result<(), TaskError> {
    match home.phase {
        _ if home.workspace_id != workspace => Err(TaskError::ProjectNotFound),
        Phase::Active => Ok(()),
        Phase::Archived => Err(TaskError::ProjectArchived),
        Phase::Deleted => Err(TaskError::ProjectDeleted),
    }
}

fn create(create: CreateTask, home: &Home, workspace_id: WorkspaceId, at: Instant) -> Decision {
    Ok(vec![TaskEvent::TaskCreated(Box::new(TaskCreated {
        number: 0,
        workspace_id,
        project_id: home.id,
        project_key: home.key.clone(),
        title: create.title,
        description: create.description,
        priority: create.priority,
        category: create.category,
        tags: create.tags,
        assignee_ids: create.assignee_ids,
        due: create.due.map(|due| due.resolve(home.time_zone)),
        estimate_minutes: create.estimate_minutes,
        created_at: at,
    }))])
}

fn apply(live: &LiveTask, command: TaskCommand, context: &TaskContext, at: Instant) -> Decision {
    match command {
        TaskCommand::Create(_) => Err(TaskError::IdTaken),
        TaskCommand::Update(fields) => update(live, &fields),
        TaskCommand::Assign(user_id) => assign(live, user_id),
        TaskCommand::Unassign(user_id) => unassign(live, user_id),
        TaskCommand::ChangeStatus(change) => change_status(live, change, at),
        TaskCommand::ChangePriority(to) => change_priority(live, to),
        TaskCommand::SetDue(due) => change_due(live, Some(due.resolve(context.home.time_zone))),
        TaskCommand::ClearDue => change_due(live, None),
        TaskCommand::Complete => complete(live, at),
        TaskCommand::Reopen => reopen(live),
        TaskCommand::Move(MoveTask { project_id }) => move_to(live, context.target.as_ref().filter(|target| target.id == project_id)),
        TaskCommand::Comment(Comment { comment_id, body }) => Ok(vec![TaskEvent::TaskCommented(TaskCommented { comment_id, body })]),
        TaskCommand::Delete => Ok(vec![TaskEvent::TaskDeleted(TaskDeleted { title: live.title.clone(), status: live.status })]),
    }
}

fn update(live: &LiveTask, fields: &UpdateTask) -> Decision {
    let changes = TaskChanges {
        title: Change::requested(&live.title, fields.title.as_ref()),
        description: Change::requested(&live.description, fields.description.as_ref()),
        category: Change::requested(&live.category, fields.category.as_ref()),
        tags: Change::requested(&live.tags, fields.tags.as_ref()),
        estimate_minutes: Change::requested(&live.estimate_minutes, fields.estimate_minutes.as_ref()),
    };
    Ok(if changes.is_empty() { vec![] } else { vec![TaskEvent::TaskUpdated(Box::new(TaskUpdated { changes }))] })
}

fn assign(live: &LiveTask, user_id: UserId) -> Decision {
    if live.assignee_ids.contains(user_id) {
        return Ok(vec![]);
    }
    not_done(live)?;
    if live.assignee_ids.is_full() {
        Err(TaskError::TooManyAssignees(ASSIGNEES_MAX))
    } else {
        Ok(vec![TaskEvent::TaskAssigned(TaskAssigned { user_id })])
    }
}

fn unassign(live: &LiveTask, user_id: UserId) -> Decision {
    if !live.assignee_ids.contains(user_id) {
        return Ok(vec![]);
    }
    not_done(live)?;
    Ok(vec![TaskEvent::TaskUnassigned(TaskUnassigned { user_id })])
}

fn change_status(live: &LiveTask, change: ChangeStatus, at: Instant) -> Decision {
    let ChangeStatus { to, blocked_reason } = change;
    if live.status.is_closed() && live.status != to {
        return Err(TaskError::TransitionNotAllowed { from: live.status, to });
    }
    match (to, &blocked_reason) {
        (Status::Todo | Status::InProgress | Status::InReview | Status::Cancelled | Status::Done, Some(_)) => {
            Err(TaskError::ReasonWithoutBlock)
        }
        (Status::Blocked, None) if live.status != to => Err(TaskError::ReasonMissing),
        (Status::Blocked, Some(_)) if live.status == to && blocked_reason == live.blocked_reason => Ok(vec![]),
        (_, None) if live.status == to => Ok(vec![]),
        (Status::Done, None) => complete(live, at),
        (Status::Todo | Status::InProgress | Status::InReview | Status::Cancelled | Status::Blocked, None | Some(_)) => {
            Ok(vec![TaskEvent::TaskStatusChanged(TaskStatusChanged { from: live.status, to, blocked_reason })])
        }
    }
}

fn change_priority(live: &LiveTask, to: Priority) -> Decision {
    Ok(if live.priority == to { vec![] } else { vec![TaskEvent::TaskPriorityChanged(TaskPriorityChanged { from: live.priority, to })] })
}

fn change_due(live: &LiveTask, to: Option<Due>) -> Decision {
    if live.due == to {
        return Ok(vec![]);
    }
    not_done(live)?;
    Ok(vec![TaskEvent::TaskDueDateChanged(TaskDueDateChanged { from: live.due, to })])
}

fn complete(live: &LiveTask, at: Instant) -> Decision {
    match live.status {
        Status::Done => Ok(vec![]),
        Status::Cancelled => Err(TaskError::TransitionNotAllowed { from: live.status, to: Status::Done }),
        Status::Todo | Status::InProgress | Status::InReview | Status::Blocked => Ok(vec![TaskEvent::TaskCompleted(TaskCompleted {
            title: live.title.clone(),
            from: live.status,
            completed_at: at,
            // Imported history can be out of order; a task is never done before it began.
            time_to_complete_ms: (at - live.created_at).num_milliseconds().max(0),
        })]),
    }
}

fn reopen(live: &LiveTask) -> Decision {
    Ok(if live.status.is_closed() { vec![TaskEvent::TaskReopened(TaskReopened { from: live.status, due: live.due })] } else { vec![] })
}

fn move_to(live: &LiveTask, target: Option<&Home>) -> Decision {
    let to = target.ok_or(TaskError::ProjectNotFound)?;
    active(to, live.workspace_id)?;
    if to.id == live.project_id {
        return Ok(vec![]);
    }
    not_done(live)?;
    Ok(vec![TaskEvent::TaskMoved(TaskMoved {
        number: 0,
        project_id: to.id,
        project_key: to.key.clone(),
        from_number: live.number,
        from_project_id: live.project_id,
        from_project_key: live.project_key.clone(),
        status: live.status,
    })])
}

fn not_done(live: &LiveTask) -> Result<(), TaskError> {
    if live.status == Status::Done { Err(TaskError::TaskDone) } else { Ok(()) }
}
