//! Entry points for fuzzers: input of callers on its way into statements. The fuzzers, and how to run them, are in
//! `fuzz/`.

use crate::project_overview::ProjectSelection;
use crate::querying::page::{ForeignCursor, Window};
use crate::task_list::{TaskFilter, TaskSelection, TaskSort, TaskSortField};
use crate::{activity, deadline_log, project_overview, schedules, task_comments, task_list};
use chrono::DateTime;
use domain::ids::{TaskId, WorkspaceId};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

const NOW: DateTime<chrono::Utc> = DateTime::UNIX_EPOCH;
const PROJECT: ProjectSelection = ProjectSelection { overdue: true, without_description: true };
const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::nil());

/// The filter of one list.
pub enum Filter {
    Tasks(Box<TaskFilter>),
    Projects(project_overview::ProjectFilter),
    Schedules(schedules::ScheduleFilter),
    Firings(deadline_log::FiringFilter),
    Events(activity::EventFilter),
    CommentsOf(TaskId),
}

impl Filter {
    /// A filter without conditions for each list whose cursors are made of sort keys.
    fn every() -> [Self; 5] {
        [
            Self::Tasks(Box::default()),
            Self::Projects(Default::default()),
            Self::Schedules(Default::default()),
            Self::Firings(Default::default()),
            Self::CommentsOf(TaskId(Uuid::nil())),
        ]
    }

    fn statement(&self, sort: &[TaskSort], window: &Window) -> Result<QueryBuilder<'static, Postgres>, ForeignCursor> {
        match self {
            Self::Tasks(filter) => {
                let selection = TaskSelection { project: Some(PROJECT), schedule: true, without_description: false };
                task_list::page_statement(WORKSPACE, filter, sort, window, selection, NOW).map(|(query, _)| query)
            }
            Self::Projects(filter) => project_overview::page_statement(WORKSPACE, filter, window, PROJECT, NOW),
            Self::Schedules(filter) => {
                let selection = schedules::ScheduleSelection { project: true, task: true };
                schedules::page_statement(WORKSPACE, filter, window, selection)
            }
            Self::Firings(filter) => {
                deadline_log::page_statement(WORKSPACE, filter, window, deadline_log::FiringSelection { schedule: true })
            }
            Self::Events(filter) => Ok(activity::events_statement(Some(WORKSPACE), filter, 0)),
            Self::CommentsOf(task) => task_comments::page_statement(WORKSPACE, *task, window),
        }
    }
}

/// A filter enters the statement of its list only as bound values.
pub fn filter(filter: &Filter) {
    let window = Window { limit: 50, total: true, ..Window::default() };
    let statement = filter.statement(&[], &window).expect("there is no cursor to refuse");
    assert_plain(statement.sql());
}

/// A cursor is accepted by its list or refused; it enters a statement only as bound values. Returns the number of
/// statements that accepted it.
pub fn cursor(text: &[u8]) -> usize {
    let cursor = String::from_utf8_lossy(text).into_owned();
    let windows = [(true, false), (false, true), (true, true)].map(|(after, before)| {
        let cursor = |given: bool| given.then(|| cursor.clone());
        Window { limit: 50, backward: before, after: cursor(after), before: cursor(before), total: true }
    });
    let given = |list: &Filter, sort: &[TaskSort]| {
        let statements = windows.iter().filter_map(|window| list.statement(sort, window).ok());
        statements.inspect(|statement| assert_plain(statement.sql())).count()
    };
    let [tasks, others @ ..] = Filter::every();
    let mut taken: usize = others.iter().map(|list| given(list, &[])).sum();
    for field in TaskSortField::ALL {
        for descending in [false, true] {
            let sort = [TaskSort { field, descending }, TaskSort { field: TaskSortField::Title, descending: !descending }];
            taken += given(&tasks, &sort[..1]) + given(&tasks, &sort);
        }
    }
    taken
}

/// Asserts that a statement consists of our own text: its values are numbered from first to last, and nothing ends the
/// statement or comments out a part of it.
fn assert_plain(statement: &str) {
    assert!(statement.is_ascii() && ![";", "--", "/*", "\\"].iter().any(|sign| statement.contains(sign)), "{statement}");
    let numbers = statement.split('$').skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()));
    assert!(numbers.eq((1..=statement.matches('$').count()).map(Some)), "{statement}");
}
