//! The order of lines in an import: which of them wait for which.

use crate::command::{Command, Resource, Uses};
use std::collections::HashMap;
use tokio::sync::watch;

/// Most commands at the same time.
pub const COMMANDS_AT_ONCE: usize = 512;
/// Fewer lines than this are not searched for lines that are over.
const REMEMBERED_MIN: usize = 2 * COMMANDS_AT_ONCE;

/// A line before in the file. Nothing is ever sent: it is over when its turn is gone.
#[derive(Clone)]
struct EarlierLine(watch::Receiver<()>);

impl EarlierLine {
    fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }

    async fn over(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// The lines of an import, as far as later ones may wait for them.
pub(super) struct LineOrder {
    /// By resource: the line that changed it last, and those that have depended on it since.
    resources: HashMap<Resource, Users>,
    /// All lines since the last change of a whole project.
    everybody: Vec<EarlierLine>,
    barrier: Option<EarlierLine>,
    /// How many lines there may be before those that are over are removed.
    room: usize,
}

/// The lines that use a resource.
#[derive(Default)]
struct Users {
    changed: Option<EarlierLine>,
    relied_on: Vec<EarlierLine>,
}

/// The place of one line in the order. The line is over when this is dropped, whether it was carried out or not.
pub(super) struct Slot {
    before: Vec<EarlierLine>,
    _over: watch::Sender<()>,
}

impl Slot {
    pub(super) async fn ready(&self) {
        for before in &self.before {
            before.clone().over().await;
        }
    }
}

impl LineOrder {
    pub(super) fn new() -> Self {
        Self { resources: HashMap::new(), everybody: vec![], barrier: None, room: REMEMBERED_MIN }
    }

    pub(super) fn slot(&mut self, command: &Command) -> Slot {
        let (over, me) = watch::channel(());
        let me = EarlierLine(me);
        let mut before: Vec<EarlierLine> = self.barrier.iter().cloned().collect();
        let Uses { changes, relies_on, whole_project } = command.uses();
        if whole_project {
            before.append(&mut self.everybody);
            self.resources.clear();
            self.barrier = Some(me);
            return Slot { before, _over: over };
        }
        for resource in relies_on {
            let uses = self.resources.entry(resource).or_default();
            before.extend(uses.changed.iter().cloned());
            uses.relied_on.push(me.clone());
        }
        for resource in changes {
            let uses = self.resources.entry(resource).or_default();
            before.extend(uses.changed.replace(me.clone()));
            before.append(&mut uses.relied_on);
        }
        self.everybody.push(me);
        self.forget_what_is_over();
        Slot { before, _over: over }
    }

    /// How many lines are stored, and how many uses of resources.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        let uses = self.resources.values().map(|uses| usize::from(uses.changed.is_some()) + uses.relied_on.len());
        (self.everybody.len(), uses.sum())
    }

    /// Keeps what is remembered in proportion to what is going on. Looking through everybody is paid for by as many new lines.
    fn forget_what_is_over(&mut self) {
        if self.everybody.len() < self.room {
            return;
        }
        self.everybody.retain(|before| !before.is_over());
        self.resources.retain(|_, uses| {
            uses.relied_on.retain(|before| !before.is_over());
            uses.changed.take_if(|before| before.is_over());
            uses.changed.is_some() || !uses.relied_on.is_empty()
        });
        self.room = REMEMBERED_MIN.max(2 * self.everybody.len());
    }
}
