//! How values of `task_list` are stored in its table.

use super::TaskRow;
use crate::columns::{one_column, stored};
use domain::task::Status;
use domain::values::Priority;
use sqlx::Error;

stored!(TaskRow {
    id,
    workspace_id,
    project_id,
    project_key,
    number,
    former_keys,
    title,
    description,
    status,
    blocked_reason,
    priority,
    category,
    tags,
    assignee_ids,
    due,
    estimate_minutes,
    created_by,
    created_at,
    updated_at,
    completed_at,
    time_to_complete_ms,
    version,
    hidden,
});

one_column! {
    Status: "text", |status| status.word(), status;
    Priority: "smallint", |priority| priority_number(*priority), priority;
}

/// The number stored for a priority: 1 is the most urgent.
pub fn priority_number(priority: Priority) -> i16 {
    match priority {
        Priority::Critical => 1,
        Priority::High => 2,
        Priority::Medium => 3,
        Priority::Low => 4,
    }
}

fn priority(number: i16) -> Result<Priority, Error> {
    match number {
        1 => Ok(Priority::Critical),
        2 => Ok(Priority::High),
        3 => Ok(Priority::Medium),
        4 => Ok(Priority::Low),
        other => Err(Error::Decode(format!("{other} is not a priority").into())),
    }
}

fn status(word: &str) -> Result<Status, Error> {
    let found = Status::ALL.into_iter().find(|status| status.word() == word);
    found.ok_or_else(|| Error::Decode(format!("{word:?} is not a status").into()))
}
