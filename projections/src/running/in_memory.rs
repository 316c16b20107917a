//! A version of a read model without a database: what versions in the database are compared with.

use crate::model::{Needs, ReadModel};
use crate::running::apply::{ApplyError, fold, sort};
use domain::event::Fact;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Takes batches in as a version in the database does; only its rows are kept in a map.
#[derive(Debug)]
pub struct InMemory<M: ReadModel> {
    rows: BTreeMap<M::Key, M::Row>,
}

impl<M: ReadModel> Default for InMemory<M> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<M: ReadModel> InMemory<M> {
    /// Takes in consecutive facts. Here nothing is parked: an event that cannot be taken is the error.
    pub fn take_in(&mut self, facts: &[Arc<Fact>]) -> Result<(), String> {
        let (events, letters) = sort::<M>(facts, &BTreeSet::new(), BTreeSet::new(), &BTreeMap::new());
        if let Some(error) = letters.into_iter().find_map(|letter| letter.error) {
            return Err(error);
        }
        let needs = Needs::<M>::of(events.iter().copied());
        let at_hand = self.load(&needs);
        let changed = fold::<M>(at_hand, &events).map_err(|error| match error {
            ApplyError::Poison { position, error } => format!("event {position}: {error}"),
            error @ (ApplyError::Fenced | ApplyError::Data(_) | ApplyError::Database(_)) => format!("{error:?}"),
        })?;
        self.rows.extend(changed);
        Ok(())
    }

    /// What is needed and nothing else, as the database gives it.
    fn load(&self, needs: &Needs<M>) -> Vec<(M::Key, M::Row)> {
        let named = needs.keys.iter().filter_map(|key| self.rows.get_key_value(key));
        let belongs = |(_, row): &(&M::Key, &M::Row)| needs.groups.iter().any(|group| M::belongs(row, *group));
        let members = self.rows.iter().take(if needs.groups.is_empty() { 0 } else { usize::MAX }).filter(belongs);
        named.chain(members).map(|(key, row)| (*key, row.clone())).collect()
    }

    /// The rows by key.
    pub fn rows(&self) -> &BTreeMap<M::Key, M::Row> {
        &self.rows
    }
}
