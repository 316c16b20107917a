//! What a fuzzer drives: what callers send, on its way into statements. `fuzz/` holds the fuzzers, and says how they are run.

use crate::page::{ForeignCursor, Window};
use crate::task_list::{TaskFilter, TaskSelection, TaskSort, TaskSortField, page_statement};
use chrono::DateTime;
use domain::ids::WorkspaceId;
use uuid::Uuid;

/// The text of the statement that reads a page of tasks.
pub fn tasks_statement(filter: &TaskFilter, sort: &[TaskSort], window: &Window) -> Result<String, ForeignCursor> {
    let selection = TaskSelection { project: true, project_overdue: true, schedule: true };
    let (query, _) = page_statement(WorkspaceId(Uuid::nil()), filter, sort, window, selection, DateTime::UNIX_EPOCH)?;
    Ok(query.into_sql())
}

/// A cursor is one of the list or is refused; nothing of it gets into a statement other than as a value.
pub fn cursor(text: &[u8]) {
    let cursor = String::from_utf8_lossy(text).into_owned();
    for field in TaskSortField::ALL {
        for descending in [false, true] {
            let sort = [TaskSort { field, descending }, TaskSort { field: TaskSortField::Title, descending: !descending }];
            for sort in [&sort[..1], &sort] {
                for (after, before) in [(true, false), (false, true), (true, true)] {
                    let cursor = |given: bool| given.then(|| cursor.clone());
                    let window = Window { limit: 50, backward: before, after: cursor(after), before: cursor(before), total: true };
                    if let Ok(statement) = tasks_statement(&TaskFilter::default(), sort, &window) {
                        assert_plain(&statement);
                    }
                }
            }
        }
    }
}

/// Sees that a statement is made of our words alone: its values are numbered from the first to the last, and there is
/// nothing that ends a statement or hides a part of it.
pub fn assert_plain(statement: &str) {
    assert!(statement.is_ascii() && ![";", "--", "/*", "\\"].iter().any(|sign| statement.contains(sign)), "{statement}");
    let numbers = statement.split('$').skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()));
    assert!(numbers.eq((1..=statement.matches('$').count()).map(Some)), "{statement}");
}
