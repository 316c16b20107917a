//! Events of tasks.

use super::words::{due, listed, or_none};
use domain::task::{TaskChanges, TaskEvent};
use domain::values::Priority;

/// Raise it with every change of the sentences below, and with a new event: it counts in the number of the read model.
pub(super) const VERSION: u32 = 1;

/// An event of a task in a sentence.
pub(super) fn summary(event: &TaskEvent) -> String {
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

fn estimate(minutes: Option<u32>) -> String {
    minutes.map_or_else(|| "none".to_owned(), |minutes| format!("{minutes} minutes"))
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "critical",
        Priority::High => "high",
        Priority::Medium => "medium",
        Priority::Low => "low",
    }
}
