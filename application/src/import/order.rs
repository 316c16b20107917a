//! Which lines of an import wait for which.

use super::COMMANDS_AT_ONCE;
use crate::command::Command;
use std::collections::HashMap;
use tokio::sync::watch;
use uuid::Uuid;

/// As few as this are not worth looking through for lines that are over.
const REMEMBERED_MIN: usize = 2 * COMMANDS_AT_ONCE;

/// A line before in the file. Nothing is ever sent: it is over when its turn is gone.
#[derive(Clone)]
struct Before(watch::Receiver<()>);

impl Before {
    fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }

    async fn over(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// The order of lines that name the same things.
pub(super) struct Order {
    /// By thing: who changed it last, and who has relied on it since.
    things: HashMap<Thing, Uses>,
    /// Everybody since the last change of a whole project.
    everybody: Vec<Before>,
    barrier: Option<Before>,
    /// How many of everybody there may be before those that are over are forgotten.
    room: usize,
}

#[derive(Default)]
struct Uses {
    changed: Option<Before>,
    relied_on: Vec<Before>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Thing {
    Id(Uuid),
    ProjectKey(String),
    /// In which project, and so in which zone, each task is. A schedule's line does not say of which task it is.
    Places,
}

/// The place of one line in the order. The line is over when this is dropped, whether it was carried out or given up.
pub(super) struct Turn {
    before: Vec<Before>,
    _over: watch::Sender<()>,
}

impl Turn {
    pub(super) async fn come(&self) {
        for before in &self.before {
            before.clone().over().await;
        }
    }
}

impl Order {
    pub(super) fn new() -> Self {
        Self { things: HashMap::new(), everybody: vec![], barrier: None, room: REMEMBERED_MIN }
    }

    pub(super) fn turn(&mut self, command: &Command) -> Turn {
        let (over, me) = watch::channel(());
        let me = Before(me);
        let mut before: Vec<Before> = self.barrier.iter().cloned().collect();
        if changes_a_whole_project(command) {
            before.append(&mut self.everybody);
            self.things.clear();
            self.barrier = Some(me);
            return Turn { before, _over: over };
        }
        let (changes, relies_on) = things_of(command);
        for thing in relies_on {
            let uses = self.things.entry(thing).or_default();
            before.extend(uses.changed.iter().cloned());
            uses.relied_on.push(me.clone());
        }
        for thing in changes {
            let uses = self.things.entry(thing).or_default();
            before.extend(uses.changed.replace(me.clone()));
            before.append(&mut uses.relied_on);
        }
        self.everybody.push(me);
        self.forget_what_is_over();
        Turn { before, _over: over }
    }

    /// How many lines are remembered, and how many uses of things.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        let uses = self.things.values().map(|uses| usize::from(uses.changed.is_some()) + uses.relied_on.len());
        (self.everybody.len(), uses.sum())
    }

    /// Keeps what is remembered in proportion to what is going on. Looking through everybody is paid for by as many new lines.
    fn forget_what_is_over(&mut self) {
        if self.everybody.len() < self.room {
            return;
        }
        self.everybody.retain(|before| !before.is_over());
        self.things.retain(|_, uses| {
            uses.relied_on.retain(|before| !before.is_over());
            uses.changed.take_if(|before| before.is_over());
            uses.changed.is_some() || !uses.relied_on.is_empty()
        });
        self.room = REMEMBERED_MIN.max(2 * self.everybody.len());
    }
}

/// Whether a command means something to whatever is in a project, though other lines need not name the project.
fn changes_a_whole_project(command: &Command) -> bool {
    match command {
        Command::ProjectArchive(_) | Command::ProjectUnarchive(_) | Command::ProjectDelete(_) => true,
        // Days that are due are counted in the project's zone.
        Command::ProjectUpdate(input) => !input.time_zone.is_absent(),
        Command::ProjectCreate(_)
        | Command::ProjectCollaboratorAdd(_)
        | Command::ProjectCollaboratorChangeRole(_)
        | Command::ProjectCollaboratorRemove(_)
        | Command::TaskCreate(_)
        | Command::TaskUpdate(_)
        | Command::TaskAssign(_)
        | Command::TaskUnassign(_)
        | Command::TaskChangeStatus(_)
        | Command::TaskChangePriority(_)
        | Command::TaskSetDue(_)
        | Command::TaskClearDue(_)
        | Command::TaskComplete(_)
        | Command::TaskReopen(_)
        | Command::TaskMove(_)
        | Command::TaskComment(_)
        | Command::TaskDelete(_)
        | Command::ScheduleCreate(_)
        | Command::ScheduleUpdate(_)
        | Command::ScheduleReschedule(_)
        | Command::ScheduleMeet(_)
        | Command::ScheduleDelete(_) => false,
    }
}

/// What a command changes and what it relies on.
fn things_of(command: &Command) -> (Vec<Thing>, Vec<Thing>) {
    let ids = |ids: &[Option<Uuid>]| ids.iter().flatten().copied().map(Thing::Id).collect::<Vec<_>>();
    match command {
        Command::ProjectCreate(input) => (ids(&[input.id]).into_iter().chain([Thing::ProjectKey(input.key.clone())]).collect(), vec![]),
        Command::ProjectUpdate(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ProjectArchive(input) | Command::ProjectUnarchive(input) | Command::ProjectDelete(input) => {
            (ids(&[Some(input.id)]), vec![])
        }
        Command::ProjectCollaboratorAdd(input) | Command::ProjectCollaboratorChangeRole(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ProjectCollaboratorRemove(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskCreate(input) => (ids(&[input.id]), ids(&[Some(input.project_id)])),
        Command::TaskUpdate(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskAssign(input) | Command::TaskUnassign(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskChangeStatus(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskChangePriority(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskSetDue(input) => (ids(&[Some(input.id)]), vec![]),
        Command::TaskClearDue(input) | Command::TaskComplete(input) | Command::TaskReopen(input) | Command::TaskDelete(input) => {
            (ids(&[Some(input.id)]), vec![])
        }
        // Moves may pass each other, so they only rely on the places that they change.
        Command::TaskMove(input) => (ids(&[Some(input.id)]), [ids(&[Some(input.project_id)]), vec![Thing::Places]].concat()),
        Command::TaskComment(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ScheduleCreate(input) => (ids(&[input.id]), ids(&[input.project_id, input.task_id])),
        Command::ScheduleUpdate(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ScheduleReschedule(input) if input.due.date.is_some() && input.due.time_zone.is_none() => {
            ([ids(&[Some(input.id)]), vec![Thing::Places]].concat(), vec![])
        }
        Command::ScheduleReschedule(input) => (ids(&[Some(input.id)]), vec![]),
        Command::ScheduleMeet(input) | Command::ScheduleDelete(input) => (ids(&[Some(input.id)]), vec![]),
    }
}
