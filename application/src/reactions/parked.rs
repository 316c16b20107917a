//! Events that are parked: tried again, in the order of their aggregate.

use super::attempt::Failure;
use super::runner::{AGGREGATES_AT_ONCE, Worker};
use crate::failure::Class;
use crate::ports::{Failed, FirstParked, LogError};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;

/// Pause before a parked event is tried again for the first time; it doubles with each try.
pub const PARKED_PAUSE_MIN: Duration = Duration::from_secs(5);
/// Longest such pause.
pub const PARKED_PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// Which parked events are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The first of every aggregate: this node may be able to do what the one before could not.
    All,
    /// Those whose time has come.
    Due,
}

impl Worker<'_> {
    /// Tries parked events again. Gives the aggregates that still wait.
    pub(super) async fn try_parked(&self, which: Which) -> Result<HashSet<Uuid>, LogError> {
        let first = self.checkpoints.parked(self.reaction.name()).await?;
        self.figures.parked.set(first.iter().map(|first| first.events).sum::<i64>() as f64);
        let work: Vec<_> = first.into_iter().map(|first| self.work_off(first, which)).collect();
        stream::iter(work).buffer_unordered(AGGREGATES_AT_ONCE).try_filter_map(|waits| async move { Ok(waits) }).try_collect().await
    }

    /// Tries what is parked of an aggregate, one event after the other. Gives the aggregate if it still waits.
    async fn work_off(&self, mut first: FirstParked, which: Which) -> Result<Option<Uuid>, LogError> {
        let aggregate_id = first.aggregate_id;
        while which == Which::All || first.is_due {
            let facts = self.application.log().after(first.position - 1, 1).await?;
            let tried = match facts.first().filter(|fact| fact.position == first.position) {
                Some(fact) => self.attempt(fact).await,
                None => Err(Failure { class: Class::Stays, error: "the log holds no event at this position".to_owned() }),
            };
            match tried {
                Ok(()) => match self.checkpoints.release(self.reaction.name(), &first).await? {
                    Some(next) => first = next,
                    None => return Ok(None),
                },
                // The database is too busy or too full for everybody: that was no try.
                Err(Failure { class: Class::Waits, .. }) => break,
                Err(Failure { class: Class::Unclear | Class::MayPass | Class::Stays, error }) => {
                    self.log_parked(first.position, aggregate_id, &error);
                    let tries = first.tries.saturating_add(1);
                    let failed = Failed { error, tries, again_after: pause(tries, self.dice()) };
                    self.checkpoints.failed_again(self.reaction.name(), first.position, &failed).await?;
                    break;
                }
            }
            self.figures.parked.decrement(1.0);
        }
        Ok(Some(aggregate_id))
    }
}

/// How long a parked event that was tried so often waits.
pub(super) fn pause(tries: u32, dice: u64) -> Duration {
    let doubled = tries.saturating_sub(1).min(20);
    with_jitter(PARKED_PAUSE_MIN.saturating_mul(1 << doubled).min(PARKED_PAUSE_MAX), dice)
}

/// Up to a quarter more or less, so that what failed together is not tried together for ever.
pub(super) fn with_jitter(pause: Duration, dice: u64) -> Duration {
    pause.mul_f64(0.75 + (dice % 1_000) as f64 / 2_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_one() {
        let least = |tries| pause(tries, 0).as_secs_f64() / 0.75;
        assert_eq!([1, 2, 3, 10, 11, 99].map(least), [5.0, 10.0, 20.0, 2_560.0, 3_600.0, 3_600.0]);
        assert!(pause(1, 999) < PARKED_PAUSE_MIN.mul_f64(1.25) && pause(1, 500) == PARKED_PAUSE_MIN);
    }
}
