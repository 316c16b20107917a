//! Which events that were sent consumers do not see.

use super::error::PartitionsError;
use super::read::{Part, positions};
use super::{LEADER_TIMEOUT, Partitions};
use crate::kafka::relay::error::RelayError;
use std::collections::{HashMap, HashSet};

/// How far behind its end a partition is searched at first; each further time so many times as far.
const LOOK_BACK: i64 = 1_000;
const LOOK_BACK_GROWS: i64 = 4;

/// What a partition begins with, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Begins {
    /// No record was ever removed from it.
    whole: bool,
    /// The lowest position that was seen on it.
    lowest: Option<i64>,
}

/// Positions of committed transactions that no consumer sees, nor will see with the next transaction.
pub(in crate::kafka::relay) struct Unseen {
    /// The first position that was looked for.
    from: i64,
    unseen: Vec<bool>,
    begins: HashMap<(String, i32), Begins>,
}

impl Unseen {
    pub(in crate::kafka::relay) fn positions(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.unseen.iter().enumerate().filter(|(_, unseen)| **unseen).map(|(index, _)| self.from + index as i64)
    }

    /// Whether a position is one of them although nothing can have removed its record, which belongs on this partition:
    /// brokers remove the oldest first, so one before it is there as long as it is.
    pub(in crate::kafka::relay) fn is_lost(&self, position: i64, topic: &str, partition: i32) -> bool {
        let unseen = usize::try_from(position - self.from).ok().and_then(|index| self.unseen.get(index));
        unseen.is_some_and(|unseen| *unseen)
            && self
                .begins
                .get(&(topic.to_owned(), partition))
                .is_some_and(|begins| begins.whole || begins.lowest.is_some_and(|lowest| lowest < position))
    }

    fn saw(&mut self, position: i64) {
        let index = usize::try_from(position - self.from).ok();
        if let Some(unseen) = index.and_then(|index| self.unseen.get_mut(index)) {
            *unseen = false;
        }
    }
}

impl Partitions {
    /// Which events after a position and up to another consumers neither see nor will see with the next transaction, where
    /// `open` are those that they will. Asks after each read whether to go on.
    pub(in crate::kafka::relay) fn unseen(
        &self,
        after: i64,
        until: i64,
        open: &HashSet<i64>,
        go_on: &dyn Fn() -> Result<(), RelayError>,
    ) -> Result<Unseen, RelayError> {
        let count = usize::try_from(until - after).unwrap_or(0);
        let mut unseen = Unseen { from: after + 1, unseen: vec![true; count], begins: HashMap::new() };
        open.iter().for_each(|position| unseen.saw(*position));
        let mut look_back = LOOK_BACK;
        let mut partitions: Vec<(&str, i32)> = self.events().collect();
        while unseen.positions().next().is_some() && !partitions.is_empty() {
            let mut left = vec![];
            for (topic, partition) in partitions {
                let (low, end) = self.committed.ends(topic, partition, LEADER_TIMEOUT).map_err(PartitionsError::from)?;
                let from = low.max(end - look_back);
                let seen = positions(&self.committed, Part { topic, partition, offsets: from..end }, LEADER_TIMEOUT)?;
                go_on()?;
                seen.iter().for_each(|position| unseen.saw(*position));
                let lowest = seen.into_iter().min();
                unseen.begins.insert((topic.to_owned(), partition), Begins { whole: low == 0, lowest });
                if from > low && lowest.is_none_or(|lowest| lowest > after) {
                    left.push((topic, partition));
                }
            }
            (partitions, look_back) = (left, look_back * LOOK_BACK_GROWS);
        }
        Ok(unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_nobody_sees_is_lost_unless_it_may_have_been_removed_with_older_ones() {
        let begins = |whole, lowest| Begins { whole, lowest };
        let partitions = [begins(true, None), begins(false, None), begins(false, Some(30)), begins(false, Some(12))];
        let begins = (0..).zip(partitions).map(|(partition, begins)| (("task-events".to_owned(), partition), begins)).collect();
        let mut unseen = Unseen { from: 11, unseen: vec![true; 10], begins };
        [3, 11, 20, 25].into_iter().for_each(|seen| unseen.saw(seen));
        assert_eq!(unseen.positions().collect::<Vec<_>>(), (12..20).collect::<Vec<_>>());
        let lost = |position| (0..5).filter(|partition| unseen.is_lost(position, "task-events", *partition)).collect::<Vec<_>>();
        assert_eq!(lost(15), [0, 3], "nothing was removed from the first, and an older one is on the last");
        assert_eq!(lost(12), [0]);
        for seen_or_not_looked_for in [5, 11, 20, 21] {
            assert!(lost(seen_or_not_looked_for).is_empty(), "{seen_or_not_looked_for}");
        }
    }
}
