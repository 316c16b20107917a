//! A version of a read model without a database: versions in the database are compared with it.

use crate::model::{KeysToLoad, ReadModel};
use crate::running::apply::{ApplyError, fold, sort};
use domain::event::Fact;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Applies batches as a version in the database does, but stores its rows in a map.
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
    /// Applies consecutive facts. Nothing is parked: an event that cannot be applied is the error.
    pub fn apply_batch(&mut self, facts: &[Arc<Fact>]) -> Result<(), String> {
        let (events, letters) = sort::<M>(facts, &BTreeSet::new(), BTreeSet::new(), &BTreeMap::new());
        if let Some(error) = letters.into_iter().find_map(|letter| letter.error) {
            return Err(error);
        }
        let to_load = KeysToLoad::<M>::of(events.iter().copied());
        let loaded = self.load(&to_load);
        let changed = fold::<M>(loaded, &events).map_err(|error| match error {
            ApplyError::Failed { position, error } => format!("event {position}: {error}"),
            error @ (ApplyError::Fenced | ApplyError::Data(_) | ApplyError::Database(_)) => format!("{error:?}"),
        })?;
        self.rows.extend(changed);
        Ok(())
    }

    /// The needed rows and no others, as the database returns them.
    fn load(&self, to_load: &KeysToLoad<M>) -> Vec<(M::Key, M::Row)> {
        let named = to_load.keys.iter().filter_map(|key| self.rows.get_key_value(key));
        let belongs = |(_, row): &(&M::Key, &M::Row)| to_load.groups.iter().any(|group| M::belongs(row, *group));
        let members = self.rows.iter().take(if to_load.groups.is_empty() { 0 } else { usize::MAX }).filter(belongs);
        named.chain(members).map(|(key, row)| (*key, row.clone())).collect()
    }

    /// The rows by key.
    pub fn rows(&self) -> &BTreeMap<M::Key, M::Row> {
        &self.rows
    }
}
