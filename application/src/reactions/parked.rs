//! Events that are parked: tried again, in the order of their aggregate, beside what follows the log.

use super::attempt::Failure;
use super::runner::Worker;
use crate::failure::{Class, with_causes};
use crate::ports::{Failed, FirstParked, LogError};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Pause before a parked event is tried again for the first time; it doubles with each try.
pub const PARKED_PAUSE_MIN: Duration = Duration::from_secs(5);
/// Longest such pause.
pub const PARKED_PAUSE_MAX: Duration = Duration::from_secs(60 * 60);
/// Most aggregates whose parked events are tried at the same time: the longest due first.
pub const PARKED_AT_ONCE: usize = 32;
/// How often it is looked whether a parked event is to be tried again, while there is any.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether everything that is parked is to be tried once: this node may be able to do what the one before could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenOver {
    JustNow,
    Before,
}

/// What trying the events of an aggregate came to.
enum Came {
    /// All were dealt with, or the first one failed again.
    Tried(Uuid),
    /// Something was in the way that says nothing about the event: it stays due.
    NotNow(Uuid),
}

impl Worker<'_> {
    /// Tries parked events again until it is stopped. Nothing that follows the log waits for it.
    pub(super) async fn retry_parked(&self) {
        let mut taken_over = TakenOver::JustNow;
        loop {
            if let Err(error) = self.retry_due(&mut taken_over).await {
                let (name, error) = (self.reaction.name(), with_causes(&error));
                tracing::warn!(reaction.name = name, error, "parked events of the reaction {name} cannot be looked after; trying again");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn retry_due(&self, taken_over: &mut TakenOver) -> Result<(), LogError> {
        let name = self.reaction.name();
        if *taken_over == TakenOver::JustNow {
            self.checkpoints.make_all_due(name).await?;
            *taken_over = TakenOver::Before;
        }
        let mut tries = FuturesUnordered::new();
        let (mut under_way, mut not_now) = (HashSet::new(), vec![]);
        loop {
            for aggregate in not_now.drain(..) {
                under_way.remove(&aggregate);
            }
            let parked = self.checkpoints.count_parked(name).await?;
            self.gauges.parked.set(parked as f64);
            let look_again = Instant::now() + LOOK_EVERY;
            loop {
                for first in self.next_due(&under_way).await? {
                    under_way.insert(first.aggregate_id);
                    tries.push(self.work_off(first));
                }
                tokio::select! {
                    Some(came) = tries.next() => match came? {
                        Came::Tried(aggregate) => drop(under_way.remove(&aggregate)),
                        Came::NotNow(aggregate) => not_now.push(aggregate),
                    },
                    () = tokio::time::sleep_until(look_again), if parked > 0 => break,
                    () = self.parks.notified() => break,
                }
            }
        }
    }

    /// What is to be tried next, as far as there is room for it.
    pub(super) async fn next_due(&self, under_way: &HashSet<Uuid>) -> Result<Vec<FirstParked>, LogError> {
        let but: Vec<Uuid> = under_way.iter().copied().collect();
        match PARKED_AT_ONCE.saturating_sub(but.len()) {
            0 => Ok(vec![]),
            room => self.checkpoints.due(self.reaction.name(), &but, room).await,
        }
    }

    /// Tries what is parked of an aggregate, one event after the other, until one fails.
    async fn work_off(&self, first: FirstParked) -> Result<Came, LogError> {
        let (name, aggregate_id) = (self.reaction.name(), first.aggregate_id);
        let mut next = Some(first);
        while let Some(first) = next {
            let facts = self.application.log().after(first.position - 1, 1).await?;
            let tried = match facts.first().filter(|fact| fact.position == first.position) {
                Some(fact) => self.attempt(fact).await,
                None => Err(Failure { class: Class::Stays, error: "the log holds no event at this position".to_owned() }),
            };
            if let Err(Failure { class, error }) = tried {
                if !self.is_about_the_event(class).await {
                    return Ok(Came::NotNow(aggregate_id));
                }
                self.log_parked(first.position, aggregate_id, &error);
                let tries = first.tries.saturating_add(1);
                let failed = Failed::new(&error, tries, pause(tries, self.dice()));
                self.checkpoints.failed_again(name, first.position, &failed).await?;
                break;
            }
            next = self.checkpoints.release(name, &first).await?;
        }
        Ok(Came::Tried(aggregate_id))
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
