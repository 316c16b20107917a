//! What a read model is: rows, and a pure rule for how an event changes them.

use crate::columns::{Column, Stored};
use domain::event::{Event, Recorded};
use domain::ids::{ProjectId, TaskId};
use domain::project::ProjectEvent;
use domain::schedule::ScheduleEvent;
use domain::task::TaskEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Debug;
use uuid::Uuid;

/// Rows with their keys.
pub type Keyed<M> = Vec<(<M as ReadModel>::Key, <M as ReadModel>::Row)>;

/// One question, answered by rows that events keep up to date.
///
/// The same rule is used by a live version and a rebuild, for batches of any size, and by the model in memory that
/// tests compare with.
pub trait ReadModel: Sized + Send + Sync + 'static {
    /// The name it is stored under. Never renamed.
    const NAME: &'static str;
    /// Raise it when the rule changes the content of rows, and with the tables, indexes or events; `cargo xtask tidy`
    /// checks the latter.
    const VERSION: u32;
    /// Statements that create the table of one version, with `{v}` for its number, and the indexes that writing relies on:
    /// those that are unique, and those by which it finds the rows of a group.
    const TABLES: &'static str;
    /// Statements that create the indexes that only queries need, if they do not exist. A rebuilt version gets them
    /// after its rows.
    const INDEXES: &'static str;
    /// The names of the events it uses. A rebuild reads no others.
    fn event_types() -> Vec<&'static str>;

    type Key: Column + Copy + Ord + Debug + Send + Sync;
    /// The rows that an event changes as a whole; `Infallible` for none.
    type Group: Group;
    type Row: Stored + Clone + PartialEq + Debug + Send + Sync;

    /// The key of a row: the first of its columns.
    fn key(row: &Self::Row) -> Self::Key;

    /// Whether a row belongs to a group.
    fn belongs(_row: &Self::Row, _group: Self::Group) -> bool {
        false
    }

    /// Applies an event of a project to the rows. The default has no effect.
    ///
    /// Like those of the other aggregates it is pure and total, and never refuses a fact. It is called twice for each
    /// event, to see which rows are needed and to change them, so what it calls must depend on the event alone.
    fn on_project(_event: &ProjectEvent, _recorded: &Recorded, _rows: &mut impl Changes<Self>) {}

    /// Applies an event of a task to the rows.
    fn on_task(_event: &TaskEvent, _recorded: &Recorded, _rows: &mut impl Changes<Self>) {}

    /// Applies an event of a schedule to the rows.
    fn on_schedule(_event: &ScheduleEvent, _recorded: &Recorded, _rows: &mut impl Changes<Self>) {}

    /// Applies any event to the rows. For a read model that treats all of them alike.
    fn on(recorded: &Recorded, rows: &mut impl Changes<Self>) {
        match &recorded.event {
            Event::Project(event) => Self::on_project(event, recorded, rows),
            Event::Task(event) => Self::on_task(event, recorded, rows),
            Event::Schedule(event) => Self::on_schedule(event, recorded, rows),
        }
    }
}

/// What an event may do to rows. [`KeysToLoad`] records which rows that takes, [`Rows`] does it: so a rule states once
/// which rows an event changes, and how.
pub trait Changes<M: ReadModel> {
    /// Replaces the row with this key.
    fn put(&mut self, key: M::Key, row: impl FnOnce() -> M::Row);

    /// Changes the row with this key, if there is one.
    fn change(&mut self, key: M::Key, change: impl FnOnce(&mut M::Row));

    /// Changes every row of a group.
    fn change_all(&mut self, group: M::Group, change: impl Fn(&mut M::Row));
}

/// Many rows that one event changes together, such as the tasks of a project.
pub trait Group: Copy + Ord + Debug + Send + Sync {
    /// The columns that rows are found by. Each has an index in `tables.sql`.
    const COLUMNS: &'static [&'static str];

    /// The column by which rows of this group are found, and its value.
    fn found_by(&self) -> (&'static str, Uuid);
}

/// For read models without groups: every event changes single rows.
impl Group for Infallible {
    const COLUMNS: &'static [&'static str] = &[];

    fn found_by(&self) -> (&'static str, Uuid) {
        match *self {}
    }
}

/// The rows of a project.
impl Group for ProjectId {
    const COLUMNS: &'static [&'static str] = &["project_id"];

    fn found_by(&self) -> (&'static str, Uuid) {
        ("project_id", self.0)
    }
}

/// The rows that are about a project, or about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    Project(ProjectId),
    Task(TaskId),
}

impl About {
    /// Whether a row of this project and task belongs to the group.
    pub(crate) fn includes(self, project_id: Option<ProjectId>, task_id: Option<TaskId>) -> bool {
        match self {
            Self::Project(project) => project_id == Some(project),
            Self::Task(task) => task_id == Some(task),
        }
    }
}

impl Group for About {
    const COLUMNS: &'static [&'static str] = &["project_id", "task_id"];

    fn found_by(&self) -> (&'static str, Uuid) {
        match self {
            Self::Project(project) => ("project_id", project.0),
            Self::Task(task) => ("task_id", task.0),
        }
    }
}

/// The rows that a batch of events needs.
pub(crate) struct KeysToLoad<M: ReadModel> {
    /// The rows that are changed by their keys: they must be loaded first.
    pub(crate) keys: BTreeSet<M::Key>,
    /// The rows that are replaced: their previous content is not needed.
    pub(crate) put: BTreeSet<M::Key>,
    pub(crate) groups: BTreeSet<M::Group>,
}

impl<M: ReadModel> KeysToLoad<M> {
    pub(crate) fn of<'a>(events: impl IntoIterator<Item = &'a Recorded>) -> Self {
        let mut to_load = Self { keys: BTreeSet::new(), put: BTreeSet::new(), groups: BTreeSet::new() };
        events.into_iter().for_each(|event| M::on(event, &mut to_load));
        to_load
    }

    /// Whether nothing is changed.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.put.is_empty() && self.groups.is_empty()
    }

    /// Whether a row is changed by its key, or put.
    pub(crate) fn names(&self, key: &M::Key) -> bool {
        self.keys.contains(key) || self.put.contains(key)
    }
}

impl<M: ReadModel> Changes<M> for KeysToLoad<M> {
    fn put(&mut self, key: M::Key, _: impl FnOnce() -> M::Row) {
        self.put.insert(key);
    }

    fn change(&mut self, key: M::Key, _: impl FnOnce(&mut M::Row)) {
        self.keys.insert(key);
    }

    fn change_all(&mut self, group: M::Group, _: impl Fn(&mut M::Row)) {
        self.groups.insert(group);
    }
}

/// Rows in memory, folded by the rule. If nothing is loaded, it is the whole read model, as tests use it.
#[derive(Debug, Clone)]
pub struct Rows<M: ReadModel> {
    rows: BTreeMap<M::Key, M::Row>,
    touched: BTreeSet<M::Key>,
}

impl<M: ReadModel> Default for Rows<M> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), touched: BTreeSet::new() }
    }
}

impl<M: ReadModel> Rows<M> {
    /// These rows, none of them touched yet.
    pub fn with(rows: impl IntoIterator<Item = (M::Key, M::Row)>) -> Self {
        Self { rows: rows.into_iter().collect(), touched: BTreeSet::new() }
    }

    /// Applies an event.
    pub fn apply(&mut self, event: &Recorded) {
        M::on(event, self);
    }

    /// Applies the effect of an event on members of its group, without its effect on rows by their keys.
    pub(crate) fn apply_to_members(&mut self, event: &Recorded) {
        M::on(event, &mut Members(self));
    }

    /// The rows by key.
    pub fn rows(&self) -> &BTreeMap<M::Key, M::Row> {
        &self.rows
    }

    /// The rows to write: those that an event touched. No event removes a row: deleted objects are hidden.
    pub(crate) fn into_changed(mut self) -> Keyed<M> {
        self.touched.iter().filter_map(|key| self.rows.remove_entry(key)).collect()
    }
}

impl<M: ReadModel> Changes<M> for Rows<M> {
    fn put(&mut self, key: M::Key, row: impl FnOnce() -> M::Row) {
        self.rows.insert(key, row());
        self.touched.insert(key);
    }

    fn change(&mut self, key: M::Key, change: impl FnOnce(&mut M::Row)) {
        if let Some(row) = self.rows.get_mut(&key) {
            change(row);
            self.touched.insert(key);
        }
    }

    fn change_all(&mut self, group: M::Group, change: impl Fn(&mut M::Row)) {
        for (key, row) in self.rows.iter_mut().filter(|(_, row)| M::belongs(row, group)) {
            change(row);
            self.touched.insert(*key);
        }
    }
}

/// Rows that are at hand as members of groups alone.
struct Members<'a, M: ReadModel>(&'a mut Rows<M>);

impl<M: ReadModel> Changes<M> for Members<'_, M> {
    fn put(&mut self, _: M::Key, _: impl FnOnce() -> M::Row) {}

    fn change(&mut self, _: M::Key, _: impl FnOnce(&mut M::Row)) {}

    fn change_all(&mut self, group: M::Group, change: impl Fn(&mut M::Row)) {
        self.0.change_all(group, change);
    }
}
