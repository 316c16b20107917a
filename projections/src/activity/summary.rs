//! An event in a sentence without a subject: whoever shows it knows who did it and to what.

use domain::event::Event;
use domain::project::{ProjectChanges, ProjectEvent};
use domain::schedule::{ScheduleChanges, ScheduleEvent};
use domain::task::{TaskChanges, TaskEvent};
use domain::values::{CollaboratorRole, Due, Priority, Threshold, ThresholdUnit};

/// What happened, such as `moved it from todo to in_progress`.
pub fn summary(event: &Event) -> String {
    match event {
        Event::Project(event) => project(event),
        Event::Task(event) => task(event),
        Event::Schedule(event) => schedule(event),
    }
}

fn project(event: &ProjectEvent) -> String {
    match event {
        ProjectEvent::ProjectCreated(created) => format!("created project {} “{}”", created.key, created.name),
        ProjectEvent::ProjectUpdated(updated) => {
            let ProjectChanges { name, description, start_on, due_on, time_zone } = &updated.changes;
            let mut parts = vec![];
            name.iter().for_each(|name| parts.push(format!("the name to “{}”", name.to)));
            description.iter().for_each(|_| parts.push("the description".to_owned()));
            start_on.iter().for_each(|day| parts.push(format!("the first day to {}", or_none(day.to))));
            due_on.iter().for_each(|day| parts.push(format!("the last day to {}", or_none(day.to))));
            time_zone.iter().for_each(|zone| parts.push(format!("the time zone to {}", zone.to)));
            format!("changed {}", listed(&parts))
        }
        ProjectEvent::ProjectArchived(archived) => format!("archived project {}", archived.key),
        ProjectEvent::ProjectUnarchived(unarchived) => format!("unarchived project {}", unarchived.key),
        ProjectEvent::ProjectDeleted(deleted) => format!("deleted project {} “{}”", deleted.key, deleted.name),
        ProjectEvent::ProjectCollaboratorAdded(added) => format!("added {} as {}", added.user_id, role(added.role)),
        ProjectEvent::ProjectCollaboratorRemoved(removed) => format!("removed {}, who was {}", removed.user_id, role(removed.role)),
        ProjectEvent::ProjectCollaboratorRoleChanged(changed) => {
            format!("made {} {} instead of {}", changed.user_id, role(changed.to), role(changed.from))
        }
    }
}

fn task(event: &TaskEvent) -> String {
    match event {
        TaskEvent::TaskCreated(created) => format!("created {}-{} “{}”", created.project_key, created.number, created.title),
        TaskEvent::TaskUpdated(updated) => {
            let TaskChanges { title, description, category, tags, estimate_minutes } = &updated.changes;
            let mut parts = vec![];
            title.iter().for_each(|title| parts.push(format!("the title to “{}”", title.to)));
            description.iter().for_each(|_| parts.push("the description".to_owned()));
            category.iter().for_each(|category| parts.push(format!("the category to {}", or_none(category.to.as_ref()))));
            tags.iter().for_each(|tags| {
                let tags: Vec<_> = tags.to.iter().map(ToString::to_string).collect();
                parts.push(format!("the tags to {}", if tags.is_empty() { "none".to_owned() } else { tags.join(", ") }));
            });
            estimate_minutes.iter().for_each(|minutes| parts.push(format!("the estimate to {}", estimate(minutes.to))));
            format!("changed {}", listed(&parts))
        }
        TaskEvent::TaskAssigned(assigned) => format!("assigned {}", assigned.user_id),
        TaskEvent::TaskUnassigned(unassigned) => format!("unassigned {}", unassigned.user_id),
        TaskEvent::TaskStatusChanged(changed) => match &changed.blocked_reason {
            Some(reason) => format!("moved it from {} to {}: {reason}", changed.from.word(), changed.to.word()),
            None => format!("moved it from {} to {}", changed.from.word(), changed.to.word()),
        },
        TaskEvent::TaskPriorityChanged(changed) => {
            format!("changed the priority from {} to {}", priority(changed.from), priority(changed.to))
        }
        TaskEvent::TaskCompleted(completed) => format!("completed “{}”", completed.title),
        TaskEvent::TaskReopened(reopened) => format!("reopened it; it was {}", reopened.from.word()),
        TaskEvent::TaskDeleted(deleted) => format!("deleted “{}”", deleted.title),
        TaskEvent::TaskDueDateChanged(changed) => match &changed.to {
            Some(to) => format!("set it due {}", due(to)),
            None => "cleared its due date".to_owned(),
        },
        TaskEvent::TaskCommented(commented) => {
            let body = commented.body.as_str();
            let start: String = body.chars().take(80).collect();
            let more = if start.len() < body.len() { "…" } else { "" };
            format!("said “{}{more}”", start.replace('\n', " "))
        }
        TaskEvent::TaskMoved(moved) => {
            format!("moved it from {}-{} to {}-{}", moved.from_project_key, moved.from_number, moved.project_key, moved.number)
        }
    }
}

fn schedule(event: &ScheduleEvent) -> String {
    match event {
        ScheduleEvent::ScheduleCreated(created) => format!("scheduled “{}” for {}", created.title, due(&created.due)),
        ScheduleEvent::ScheduleUpdated(updated) => {
            let ScheduleChanges { title, thresholds } = &updated.changes;
            let mut parts = vec![];
            title.iter().for_each(|title| parts.push(format!("the title to “{}”", title.to)));
            thresholds.iter().for_each(|thresholds| {
                let leads: Vec<_> = thresholds.to.iter().map(|threshold| lead(threshold.lead())).collect();
                parts.push(format!("the warnings to {}", if leads.is_empty() { "none".to_owned() } else { leads.join(", ") }));
            });
            format!("changed {}", listed(&parts))
        }
        ScheduleEvent::ScheduleRescheduled(moved) => format!("moved it from {} to {}", due(&moved.from), due(&moved.to)),
        ScheduleEvent::ScheduleReopened(reopened) => format!("rescheduled “{}” for {}", reopened.title, due(&reopened.due)),
        ScheduleEvent::ScheduleDeleted(deleted) => format!("deleted “{}”", deleted.title),
        ScheduleEvent::DeadlineApproaching(fired) => {
            format!("“{}” is due {}, within {}", fired.title, due(&fired.due), lead(fired.threshold))
        }
        ScheduleEvent::DeadlineOverdue(fired) => format!("“{}” was due {} and is overdue", fired.title, due(&fired.due)),
        ScheduleEvent::DeadlineMet(met) => format!("met “{}”, due {}", met.title, due(&met.due)),
    }
}

fn due(due: &Due) -> String {
    match due.date {
        Some(date) => format!("{date} ({})", due.time_zone),
        None => due.at.utc().format("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

fn lead(threshold: Threshold) -> String {
    let unit = match (threshold.unit, threshold.amount) {
        (ThresholdUnit::Minutes, 1) => "minute",
        (ThresholdUnit::Hours, 1) => "hour",
        (ThresholdUnit::Days, 1) => "day",
        (unit, _) => unit.word(),
    };
    format!("{} {unit}", threshold.amount)
}

fn estimate(minutes: Option<u32>) -> String {
    minutes.map_or_else(|| "none".to_owned(), |minutes| format!("{minutes} minutes"))
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn listed(parts: &[String]) -> String {
    match parts {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn role(role: CollaboratorRole) -> &'static str {
    match role {
        CollaboratorRole::Viewer => "viewer",
        CollaboratorRole::Editor => "editor",
        CollaboratorRole::Manager => "manager",
        CollaboratorRole::Owner => "owner",
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "critical",
        Priority::High => "high",
        Priority::Medium => "medium",
        Priority::Low => "low",
    }
}
