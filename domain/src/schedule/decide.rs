//! The rules of a schedule. Pure: what is needed rides in the command.

use super::{
    CreateSchedule, DeadlineApproaching, DeadlineContext, DeadlineMet, DeadlineOverdue, FollowedTask, LiveSchedule, Place, Plan, Schedule,
    ScheduleChanges, ScheduleCommand, ScheduleContext, ScheduleCreated, ScheduleDeleted, ScheduleError, ScheduleEvent, ScheduleLife,
    ScheduleReopened, ScheduleRescheduled, ScheduleUpdated, Subject, UpdateSchedule, evolve,
};
use crate::ids::WorkspaceId;
use crate::issued::Issued;
use crate::project::{Home, Phase};
use crate::task::Status;
use crate::values::{Change, Due, Instant, ResolvedThreshold, Thresholds};
use chrono_tz::Tz;

type Decision = Result<Vec<ScheduleEvent>, ScheduleError>;

/// The events that a command results in, or the rule that refuses it.
pub fn decide(schedule: &Schedule, issued: Issued<ScheduleCommand, ScheduleContext>) -> Decision {
    let Issued { workspace, at, command, context: ScheduleContext { home, task }, .. } = issued;
    match (schedule, command) {
        (Schedule::Absent, ScheduleCommand::Create(create)) => self::create(*create, home.as_ref(), task.as_ref(), workspace),
        (Schedule::Absent, ScheduleCommand::StartFollowing(_)) => start_following(home.as_ref(), task.as_ref(), workspace),
        (Schedule::Present(_), ScheduleCommand::Create(_) | ScheduleCommand::StartFollowing(_)) => Err(ScheduleError::IdTaken),
        (Schedule::Present(live), command) if live.workspace_id == workspace => {
            // A follower is kept in step even in an archived project: it does not fire there, and is right once it is unarchived.
            if !matches!(command, ScheduleCommand::Follow) {
                active(home.as_ref(), workspace)?;
            }
            apply(live, command, home.as_ref(), task.as_ref(), at)
        }
        (Schedule::Absent | Schedule::Present(_), _) => Err(ScheduleError::NotFound),
    }
}

/// A schedule of a project lives in an active one, or nothing about it changes and nothing fires.
fn active(home: Option<&Home>, workspace: WorkspaceId) -> Result<(), ScheduleError> {
    match home {
        None => Ok(()),
        Some(home) if home.workspace_id != workspace => Err(ScheduleError::ProjectNotFound),
        Some(home) => match home.phase {
            Phase::Active => Ok(()),
            Phase::Archived => Err(ScheduleError::ProjectArchived),
            Phase::Deleted => Err(ScheduleError::ProjectDeleted),
        },
    }
}

fn zone(home: Option<&Home>) -> Tz {
    home.map_or(Tz::UTC, |home| home.time_zone)
}

fn create(create: CreateSchedule, home: Option<&Home>, task: Option<&FollowedTask>, workspace_id: WorkspaceId) -> Decision {
    let subject = match (create.project_id, create.task_id) {
        (None, None) => Subject::Milestone,
        (Some(project_id), None) => Subject::Project { project_id },
        (_, Some(task_id)) => Subject::Task { task_id },
    };
    if create.task_id.is_some() {
        let task = task.filter(|task| task.workspace_id == workspace_id).ok_or(ScheduleError::TaskNotFound)?;
        if create.project_id.is_some_and(|project_id| project_id != task.project_id) {
            return Err(ScheduleError::OtherProject);
        }
        if task.plan.is_none() {
            return Err(ScheduleError::TaskDeleted);
        }
    }
    if subject != Subject::Milestone && home.is_none() {
        return Err(ScheduleError::ProjectNotFound);
    }
    active(home, workspace_id)?;
    let due = create.due.resolve(zone(home));
    Ok(vec![ScheduleEvent::ScheduleCreated(Box::new(ScheduleCreated {
        workspace_id,
        subject,
        place: place(home, task),
        title: create.title,
        due,
        due_revision: 1,
        thresholds: create.thresholds.resolve(&due),
        project_at_rest: false,
    }))])
}

fn place(home: Option<&Home>, task: Option<&FollowedTask>) -> Place {
    Place { project_id: home.map(|home| home.id), task_id: task.map(|task| task.id) }
}

fn apply(live: &LiveSchedule, command: ScheduleCommand, home: Option<&Home>, task: Option<&FollowedTask>, at: Instant) -> Decision {
    match (command, live.life) {
        (ScheduleCommand::Tick, _) => tick(live, home, task, at),
        (ScheduleCommand::Follow, _) => Ok(follow(live, home, task)),
        (ScheduleCommand::Create(_) | ScheduleCommand::StartFollowing(_), _) => Err(ScheduleError::IdTaken),
        (_, _) if live.subject.follows_task() => Err(ScheduleError::FollowsTask),
        (ScheduleCommand::Delete, ScheduleLife::Deleted) | (ScheduleCommand::Meet, ScheduleLife::Met) => Ok(vec![]),
        (_, ScheduleLife::Deleted) => Err(ScheduleError::ScheduleDeleted),
        (ScheduleCommand::Delete, ScheduleLife::Waiting | ScheduleLife::Met) => Ok(vec![deleted(live)]),
        (ScheduleCommand::Meet, ScheduleLife::Waiting) => Ok(vec![met(live, context(home, task), at)]),
        (ScheduleCommand::Update(fields), ScheduleLife::Waiting | ScheduleLife::Met) => Ok(update(live, &fields)),
        (ScheduleCommand::Reschedule(_), ScheduleLife::Met) => Err(ScheduleError::ScheduleMet),
        (ScheduleCommand::Reschedule(due), ScheduleLife::Waiting) => Ok(reschedule(live, due.resolve(zone(home)))),
    }
}

fn update(live: &LiveSchedule, fields: &UpdateSchedule) -> Vec<ScheduleEvent> {
    let thresholds = fields.thresholds.as_ref().map(|thresholds| thresholds.resolve(&live.due));
    let leads = |thresholds: &[ResolvedThreshold]| thresholds.iter().map(ResolvedThreshold::lead).collect::<Vec<_>>();
    let changes = ScheduleChanges {
        title: Change::requested(&live.title, fields.title.as_ref()),
        // Compared by lead: newer time-zone data alone is not a change.
        thresholds: thresholds.filter(|new| leads(new) != leads(&live.thresholds)).map(|to| Change { from: live.thresholds.clone(), to }),
    };
    if changes.is_empty() { vec![] } else { vec![ScheduleEvent::ScheduleUpdated(Box::new(ScheduleUpdated { changes }))] }
}

fn reschedule(live: &LiveSchedule, to: Due) -> Vec<ScheduleEvent> {
    if live.due == to {
        return vec![];
    }
    vec![ScheduleEvent::ScheduleRescheduled(Box::new(ScheduleRescheduled {
        from: live.due,
        to,
        due_revision: live.due_revision + 1,
        thresholds: moved(live, &to),
    }))]
}

/// The same leads before another due moment.
fn moved(live: &LiveSchedule, due: &Due) -> Vec<ResolvedThreshold> {
    Thresholds::stored(live.thresholds.iter().map(ResolvedThreshold::lead).collect()).resolve(due)
}

fn met(live: &LiveSchedule, about: DeadlineContext, met_at: Instant) -> ScheduleEvent {
    let (title, due, due_revision) = (live.title.clone(), live.due, live.due_revision);
    ScheduleEvent::DeadlineMet(Box::new(DeadlineMet { about, title, due, due_revision, met_at }))
}

/// What a deadline is about now. The versions of task and project guard the append, so it is still so when the event is recorded.
fn context(home: Option<&Home>, task: Option<&FollowedTask>) -> DeadlineContext {
    let plan = task.and_then(|task| task.plan.as_ref());
    DeadlineContext {
        project_id: home.map(|home| home.id),
        project_key: home.map(|home| home.key.clone()),
        task_id: task.map(|task| task.id),
        task_number: plan.map(|plan| plan.number),
        assignee_ids: plan.map(|plan| plan.assignee_ids.clone()).unwrap_or_default(),
    }
}

fn deleted(live: &LiveSchedule) -> ScheduleEvent {
    ScheduleEvent::ScheduleDeleted(ScheduleDeleted { title: live.title.clone() })
}

/// Fires the most severe moment that has passed without firing. Earlier ones never fire.
fn tick(live: &LiveSchedule, home: Option<&Home>, task: Option<&FollowedTask>, now: Instant) -> Decision {
    if task.is_some_and(|task| task.plan.is_none()) {
        return Err(ScheduleError::TaskDeleted);
    }
    let Some(next) = live.next_fire_at() else { return Ok(vec![]) };
    // A follower whose task is closed is about to be met or deleted; it must not fire in between.
    let closed = task.and_then(|task| task.plan.as_ref()).is_some_and(|plan| plan.status.is_closed());
    if live.subject.follows_task() && closed {
        return Err(ScheduleError::TaskClosed);
    }
    if next > now {
        return Err(ScheduleError::NotYetDue(next));
    }
    let passed = live.pending_moments().take_while(|at| *at <= now).last().unwrap_or(next);
    let late_by_ms = (now - passed).num_milliseconds();
    let (about, title, due, due_revision) = (context(home, task), live.title.clone(), live.due, live.due_revision);
    let threshold = live.thresholds.iter().find(|t| t.at == passed && passed < due.at);
    Ok(vec![match threshold {
        Some(threshold) => ScheduleEvent::DeadlineApproaching(Box::new(DeadlineApproaching {
            about,
            title,
            due,
            due_revision,
            threshold: threshold.lead(),
            scheduled_for: passed,
            late_by_ms,
        })),
        None => ScheduleEvent::DeadlineOverdue(Box::new(DeadlineOverdue { about, title, due, due_revision, late_by_ms })),
    }])
}

fn start_following(home: Option<&Home>, task: Option<&FollowedTask>, workspace_id: WorkspaceId) -> Decision {
    let task = task.filter(|task| task.workspace_id == workspace_id).ok_or(ScheduleError::TaskNotFound)?;
    // What is in a deleted project is gone with it: nothing is created there.
    if home.is_some_and(|home| home.phase == Phase::Deleted) {
        return Ok(vec![]);
    }
    let Some((plan, due)) = wanted(Some(task)) else { return Ok(vec![]) };
    let created = ScheduleEvent::ScheduleCreated(Box::new(ScheduleCreated {
        workspace_id,
        subject: Subject::TaskDueDate { task_id: task.id },
        place: place(home, Some(task)),
        title: plan.title.clone(),
        due,
        due_revision: 1,
        thresholds: Thresholds::default().resolve(&due),
        project_at_rest: home.is_some_and(|home| home.phase != Phase::Active),
    }));
    Ok(met_where_done(&Schedule::Absent, vec![created], plan, context(home, Some(task))))
}

/// What the schedule of a task's due date is about, if there is to be one: also for a task that is done already, since
/// its schedule is to be the same whether it follows at every step or only at the end.
fn wanted(task: Option<&FollowedTask>) -> Option<(&Plan, Due)> {
    let plan = task?.plan.as_ref().filter(|plan| plan.status != Status::Cancelled)?;
    plan.due.map(|due| (plan, due))
}

/// The events that bring a schedule in step with its task. A schedule that a user created under a follower's id is left unchanged.
fn follow(live: &LiveSchedule, home: Option<&Home>, task: Option<&FollowedTask>) -> Vec<ScheduleEvent> {
    if !live.subject.follows_task() {
        return vec![];
    }
    let Some((plan, due)) = wanted(task) else {
        return match live.life {
            ScheduleLife::Waiting => vec![deleted(live)],
            ScheduleLife::Met | ScheduleLife::Deleted => vec![],
        };
    };
    let in_step = match live.life {
        ScheduleLife::Waiting => true,
        ScheduleLife::Met => plan.completed_at == live.met_at && due == live.due,
        ScheduleLife::Deleted => false,
    };
    let events = if in_step {
        let renamed = update(live, &UpdateSchedule { title: Some(plan.title.clone()), thresholds: None });
        renamed.into_iter().chain(reschedule(live, due)).collect()
    } else {
        vec![ScheduleEvent::ScheduleReopened(Box::new(ScheduleReopened {
            title: plan.title.clone(),
            due,
            due_revision: live.due_revision + 1,
            thresholds: moved(live, &due),
        }))]
    };
    met_where_done(&Schedule::Present(Box::new(live.clone())), events, plan, context(home, task))
}

/// The same events, and where the task is done the schedule is met: at the moment when the task was done, not when the
/// schedule followed.
fn met_where_done(before: &Schedule, mut events: Vec<ScheduleEvent>, plan: &Plan, about: DeadlineContext) -> Vec<ScheduleEvent> {
    let Some(completed_at) = plan.completed_at else { return events };
    if let Schedule::Present(live) = events.iter().cloned().fold(before.clone(), evolve)
        && live.life == ScheduleLife::Waiting
    {
        events.push(met(&live, about, completed_at));
    }
    events
}
