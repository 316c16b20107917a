//! Batches single reads into one statement.
//!
//! Pages join related rows in their own statement; these loaders serve deeper nesting.

use super::error::unanswered;
use super::meter::Reader;
use async_graphql::Error;
use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, ScheduleId, TaskId, WorkspaceId};
use projections::deadline_log::{FiringRow, firings_of};
use projections::project_overview::{ProjectView, find_projects};
use projections::querying::page::{Page, Window};
use projections::schedules::{ScheduleRow, find_schedules, schedules_of_tasks};
use projections::task_comments::{CommentRow, first_comments};
use projections::task_list::{TaskRow, find_tasks};
use std::collections::HashMap;

/// Reads for one request, in one workspace.
pub(crate) struct Loaders {
    pub(crate) reader: Reader,
    pub(crate) workspace: WorkspaceId,
    pub(crate) now: DateTime<Utc>,
}

/// The schedule that follows a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FollowerOf(pub(crate) TaskId);

/// The firings of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FiringsOf(pub(crate) ScheduleId);

/// The first page of the comments on a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CommentsOf {
    pub(crate) task: TaskId,
    pub(crate) rows: usize,
    /// Whether they are to be counted too.
    pub(crate) total: bool,
}

/// The rows found, or one error for the whole batch, so that each field reports the same.
type Loaded<K, V> = Result<HashMap<K, V>, Error>;

impl Loader<ProjectId> for Loaders {
    type Value = ProjectView;
    type Error = Error;

    async fn load(&self, keys: &[ProjectId]) -> Loaded<ProjectId, ProjectView> {
        let found = find_projects(&self.reader, self.workspace, keys, self.now).await.map_err(unanswered)?;
        Ok(found.into_iter().map(|view| (view.project.id, view)).collect())
    }
}

impl Loader<TaskId> for Loaders {
    type Value = TaskRow;
    type Error = Error;

    async fn load(&self, keys: &[TaskId]) -> Loaded<TaskId, TaskRow> {
        let found = find_tasks(&self.reader, self.workspace, keys).await.map_err(unanswered)?;
        Ok(found.into_iter().map(|row| (row.id, row)).collect())
    }
}

impl Loader<ScheduleId> for Loaders {
    type Value = ScheduleRow;
    type Error = Error;

    async fn load(&self, keys: &[ScheduleId]) -> Loaded<ScheduleId, ScheduleRow> {
        let found = find_schedules(&self.reader, self.workspace, keys).await.map_err(unanswered)?;
        Ok(found.into_iter().map(|row| (row.id, row)).collect())
    }
}

impl Loader<FollowerOf> for Loaders {
    type Value = ScheduleRow;
    type Error = Error;

    async fn load(&self, keys: &[FollowerOf]) -> Loaded<FollowerOf, ScheduleRow> {
        let tasks: Vec<TaskId> = keys.iter().map(|key| key.0).collect();
        let found = schedules_of_tasks(&self.reader, self.workspace, &tasks).await.map_err(unanswered)?;
        Ok(found.into_iter().filter_map(|row| row.task_id.map(|task| (FollowerOf(task), row))).collect())
    }
}

impl Loader<FiringsOf> for Loaders {
    type Value = Vec<FiringRow>;
    type Error = Error;

    async fn load(&self, keys: &[FiringsOf]) -> Loaded<FiringsOf, Vec<FiringRow>> {
        let schedules: Vec<ScheduleId> = keys.iter().map(|key| key.0).collect();
        let mut firings: HashMap<FiringsOf, Vec<FiringRow>> = HashMap::new();
        for firing in firings_of(&self.reader, self.workspace, &schedules).await.map_err(unanswered)? {
            firings.entry(FiringsOf(firing.schedule_id)).or_default().push(firing);
        }
        Ok(firings)
    }
}

impl Loader<CommentsOf> for Loaders {
    type Value = Page<CommentRow>;
    type Error = Error;

    async fn load(&self, keys: &[CommentsOf]) -> Loaded<CommentsOf, Page<CommentRow>> {
        let mut alike: HashMap<(usize, bool), Vec<TaskId>> = HashMap::new();
        for key in keys {
            alike.entry((key.rows, key.total)).or_default().push(key.task);
        }
        let mut pages = HashMap::new();
        for ((rows, total), tasks) in alike {
            let window = Window { limit: rows, total, ..Window::default() };
            let found = first_comments(&self.reader, self.workspace, &tasks, &window).await.map_err(unanswered)?;
            pages.extend(found.into_iter().map(|(task, page)| (CommentsOf { task, rows, total }, page)));
        }
        Ok(pages)
    }
}
