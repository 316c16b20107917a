//! What a command changes and what it relies on, as far as its input says it.

use uuid::Uuid;

/// What commands of an import may share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Thing {
    Id(Uuid),
    ProjectKey(String),
    /// In which project, and so in which zone, each task is. A schedule's line does not say of which task it is.
    Places,
}

/// What one command changes and relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uses {
    pub(crate) changes: Vec<Thing>,
    pub(crate) relies_on: Vec<Thing>,
    /// Whether it means something to whatever is in a project, though other lines need not name the project.
    pub(crate) whole_project: bool,
}

impl Uses {
    /// Everything in a project.
    pub(crate) const WHOLE_PROJECT: Self = Self { changes: vec![], relies_on: vec![], whole_project: true };

    pub(crate) fn new() -> Self {
        Self { changes: vec![], relies_on: vec![], whole_project: false }
    }

    /// An id that the sender has not chosen cannot be named by another line.
    pub(crate) fn changes(mut self, id: Option<Uuid>) -> Self {
        self.changes.extend(id.map(Thing::Id));
        self
    }

    pub(crate) fn changes_key(mut self, key: &str) -> Self {
        self.changes.push(Thing::ProjectKey(key.to_owned()));
        self
    }

    pub(crate) fn changes_places(mut self) -> Self {
        self.changes.push(Thing::Places);
        self
    }

    pub(crate) fn relies_on(mut self, id: Option<Uuid>) -> Self {
        self.relies_on.extend(id.map(Thing::Id));
        self
    }

    pub(crate) fn relies_on_places(mut self) -> Self {
        self.relies_on.push(Thing::Places);
        self
    }
}
