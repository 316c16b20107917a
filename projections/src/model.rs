//! What a read model is: rows, and a pure rule for how an event changes them.

use crate::columns::{Column, Stored};
use domain::event::Recorded;
use domain::ids::{ProjectId, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use uuid::Uuid;

/// Rows with their keys.
pub type Keyed<M> = Vec<(<M as ReadModel>::Key, <M as ReadModel>::Row)>;

/// One question, answered by rows that events keep up to date.
///
/// The same rule serves a live version and a rebuild, batches of any size, and the model in memory that tests compare with.
pub trait ReadModel: Sized + Send + Sync + 'static {
    /// The name it is stored under. Never renamed.
    const NAME: &'static str;
    /// Raise it when the rule changes what rows hold, and with the tables, indexes or events; `cargo xtask tidy` sees to the latter.
    const VERSION: u32;
    /// Statements that create the table of one version, with `{v}` for its number, and the indexes that writing relies on:
    /// those that are unique, and those by which it finds the rows of a group.
    const TABLES: &'static str;
    /// Statements that create the indexes that only queries need, where they are not there yet. A version that is built gets
    /// them when its rows are there.
    const INDEXES: &'static str;
    /// The events it is about, by name. A rebuild reads no others.
    fn event_types() -> Vec<&'static str>;

    type Key: Column + Copy + Ord + Debug + Send + Sync;
    /// The rows that an event changes as a whole; `()` for none.
    type Group: Group;
    type Row: Stored + Clone + PartialEq + Debug + Send + Sync;

    /// The key of a row: the first of its columns.
    fn key(row: &Self::Row) -> Self::Key;

    /// The rows that an event changes by name.
    fn touches(event: &Recorded) -> Vec<Self::Key>;

    /// The group that an event changes as a whole.
    fn spreads_to(_event: &Recorded) -> Option<Self::Group> {
        None
    }

    /// Whether a row belongs to a group.
    fn belongs(_row: &Self::Row, _group: Self::Group) -> bool {
        false
    }

    /// The row after an event, or `None` when there is none. Pure, total, and never refuses a fact.
    fn project(key: Self::Key, row: Option<Self::Row>, event: &Recorded) -> Option<Self::Row>;
}

/// Many rows that one event changes together, such as the tasks of a project.
pub trait Group: Copy + Ord + Debug + Send + Sync {
    /// The columns that rows are found by. Each has an index in `tables.sql`.
    const COLUMNS: &'static [&'static str];

    /// The column of the table that rows of this group are found by, and what is in it.
    fn found_by(&self) -> (&'static str, Uuid);
}

/// For read models whose events change single rows.
impl Group for () {
    const COLUMNS: &'static [&'static str] = &[];

    fn found_by(&self) -> (&'static str, Uuid) {
        ("", Uuid::nil())
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
    /// Whether a row about these is one of them.
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

/// What a batch of events needs to have at hand.
pub(crate) struct Needs<M: ReadModel> {
    pub(crate) keys: Vec<M::Key>,
    pub(crate) groups: Vec<M::Group>,
}

impl<M: ReadModel> Needs<M> {
    pub(crate) fn of<'a>(events: impl Iterator<Item = &'a Recorded>) -> Self {
        let (mut keys, mut groups) = (BTreeSet::new(), BTreeSet::new());
        for event in events {
            keys.extend(M::touches(event));
            groups.extend(M::spreads_to(event));
        }
        Self { keys: keys.into_iter().collect(), groups: groups.into_iter().collect() }
    }
}

/// Rows in memory, folded by the rule. With nothing loaded it is the whole read model, as tests use it.
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

    /// Takes an event in.
    pub fn apply(&mut self, event: &Recorded) {
        for key in M::touches(event) {
            self.apply_to(key, event);
        }
        self.spread(event);
    }

    /// Takes in what an event means for rows as members of its group.
    pub(crate) fn spread(&mut self, event: &Recorded) {
        if let Some(group) = M::spreads_to(event) {
            let members: Vec<_> = self.rows.iter().filter(|(_, row)| M::belongs(row, group)).map(|(key, _)| *key).collect();
            for key in members {
                self.apply_to(key, event);
            }
        }
    }

    fn apply_to(&mut self, key: M::Key, event: &Recorded) {
        let row = self.rows.remove(&key);
        if let Some(row) = M::project(key, row, event) {
            self.rows.insert(key, row);
        }
        self.touched.insert(key);
    }

    /// The rows by key.
    pub fn rows(&self) -> &BTreeMap<M::Key, M::Row> {
        &self.rows
    }

    /// What must be written: rows that an event touched. No event removes a row: what is deleted is hidden.
    pub(crate) fn into_changed(mut self) -> Keyed<M> {
        self.touched.iter().filter_map(|key| self.rows.remove_entry(key)).collect()
    }
}
