//! Which lines of an import wait for which.

use super::COMMANDS_AT_ONCE;
use crate::commands::Command;
use futures::future::{BoxFuture, FutureExt, Shared};
use std::collections::HashMap;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Resolves when somebody before in the file is done.
type Before = Shared<BoxFuture<'static, ()>>;

/// The order of lines that name the same things.
#[derive(Default)]
pub(super) struct Order {
    /// By thing: who changed it last, and who has relied on it since.
    things: HashMap<Thing, Uses>,
    /// Everybody since the last change of a whole project.
    everybody: Vec<Before>,
    barrier: Option<Before>,
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

/// The place of one line in the order.
pub(super) struct Turn {
    before: Vec<Before>,
    done: oneshot::Sender<()>,
}

impl Turn {
    pub(super) async fn come(&self) {
        futures::future::join_all(self.before.iter().cloned()).await;
    }

    pub(super) fn done(self) {
        let _ = self.done.send(());
    }
}

impl Order {
    pub(super) fn turn(&mut self, command: &Command) -> Turn {
        let (done, finished) = oneshot::channel();
        // A line that is dropped counts as done.
        let me: Before = finished.map(|_| ()).boxed().shared();
        let mut before: Vec<Before> = self.barrier.iter().cloned().collect();
        if changes_a_whole_project(command) {
            before.append(&mut self.everybody);
            self.things.clear();
            self.barrier = Some(me);
            return Turn { before, done };
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
        self.forget_what_is_done();
        Turn { before, done }
    }

    /// Keeps what is remembered in proportion to what is going on.
    fn forget_what_is_done(&mut self) {
        let over = |before: &Before| before.peek().is_some();
        if self.everybody.len() > 4 * COMMANDS_AT_ONCE {
            self.everybody.retain(|before| !over(before));
            self.things.retain(|_, uses| {
                uses.relied_on.retain(|before| !over(before));
                uses.changed.take_if(|before| over(before));
                uses.changed.is_some() || !uses.relied_on.is_empty()
            });
        }
    }
}

/// Whether a command means something to whatever is in a project, though other lines need not name the project.
fn changes_a_whole_project(command: &Command) -> bool {
    match command {
        Command::ProjectArchive(_) | Command::ProjectUnarchive(_) | Command::ProjectDelete(_) => true,
        // Days that are due are counted in the project's zone.
        Command::ProjectUpdate(input) => !input.time_zone.is_absent(),
        _ => false,
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
