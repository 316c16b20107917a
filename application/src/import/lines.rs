//! The order of lines in an import: which of them wait for which.

use crate::command::{Command, Thing, Uses};
use std::collections::HashMap;
use tokio::sync::watch;

/// Most commands at the same time.
pub const COMMANDS_AT_ONCE: usize = 512;
/// Fewer lines than this are not searched for lines that are over.
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

/// The lines of an import, as far as later ones may wait for them.
pub(super) struct Lines {
    /// By thing: who changed it last, and who has relied on it since.
    things: HashMap<Thing, Users>,
    /// Everybody since the last change of a whole project.
    everybody: Vec<Before>,
    barrier: Option<Before>,
    /// How many of everybody there may be before those that are over are forgotten.
    room: usize,
}

/// Who uses a thing.
#[derive(Default)]
struct Users {
    changed: Option<Before>,
    relied_on: Vec<Before>,
}

/// The place of one line in the order. The line is over when this is dropped, whether it was carried out or not.
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

impl Lines {
    pub(super) fn new() -> Self {
        Self { things: HashMap::new(), everybody: vec![], barrier: None, room: REMEMBERED_MIN }
    }

    pub(super) fn turn(&mut self, command: &Command) -> Turn {
        let (over, me) = watch::channel(());
        let me = Before(me);
        let mut before: Vec<Before> = self.barrier.iter().cloned().collect();
        let Uses { changes, relies_on, whole_project } = command.uses();
        if whole_project {
            before.append(&mut self.everybody);
            self.things.clear();
            self.barrier = Some(me);
            return Turn { before, _over: over };
        }
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
