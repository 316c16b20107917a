//! What a command changes and what it depends on, as far as its input shows.

use uuid::Uuid;

/// A resource that commands of an import may share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    Id(Uuid),
    ProjectKey(String),
    /// In which project, and so in which zone, each task is. The line of a schedule does not name its task.
    Places,
}

/// What one command changes and depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uses {
    pub(crate) changes: Vec<Resource>,
    pub(crate) relies_on: Vec<Resource>,
    /// Whether it affects everything in a project. Other lines need not name their project.
    pub(crate) whole_project: bool,
}

impl Uses {
    /// Everything in a project.
    pub(crate) const WHOLE_PROJECT: Self = Self { changes: vec![], relies_on: vec![], whole_project: true };

    pub(crate) fn new() -> Self {
        Self { changes: vec![], relies_on: vec![], whole_project: false }
    }

    /// An id that is generated cannot be named by another line.
    pub(crate) fn changes(mut self, id: Option<Uuid>) -> Self {
        self.changes.extend(id.map(Resource::Id));
        self
    }

    pub(crate) fn changes_key(mut self, key: &str) -> Self {
        self.changes.push(Resource::ProjectKey(key.to_owned()));
        self
    }

    pub(crate) fn changes_places(mut self) -> Self {
        self.changes.push(Resource::Places);
        self
    }

    pub(crate) fn relies_on(mut self, id: Option<Uuid>) -> Self {
        self.relies_on.extend(id.map(Resource::Id));
        self
    }

    pub(crate) fn relies_on_places(mut self) -> Self {
        self.relies_on.push(Resource::Places);
        self
    }
}
