//! Events that are parked: tried again, in the order of their aggregate, beside what follows the log.

use super::attempt::Failure;
use super::pauses::parked_pause;
use super::worker::Worker;
use crate::error::Class;
use crate::failure::with_causes;
use crate::ports::{Failed, FirstParked, LogError};
use domain::event::Fact;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Most aggregates whose parked events are tried at the same time: the longest due first, and before them those that
/// an admin has asked for.
pub const PARKED_AT_ONCE: usize = 32;
/// How often parked events are checked for one that is due, while there are any.
pub const PARKED_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether everything that is parked is to be tried once: this node may be able to do what the one before could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenOver {
    JustNow,
    Before,
}

/// The result of retrying the first event of an aggregate.
enum RetryResult {
    /// It was processed, or failed again.
    Tried(Uuid),
    /// The failure was not about the event: it stays due, and is retried after the next check.
    NotNow(Uuid),
}

impl Worker<'_> {
    /// Tries parked events again until it is stopped. Nothing that follows the log waits for it, and a statement that fails ends
    /// no other try.
    pub(super) async fn retry_parked(&self) {
        let (mut taken_over, mut tries) = (TakenOver::JustNow, FuturesUnordered::new());
        let (mut under_way, mut not_now, mut came) = (HashSet::new(), vec![], vec![]);
        loop {
            let looked = beside(&mut tries, &mut came, self.look(&mut taken_over)).await;
            let parked = looked.unwrap_or_else(|error| self.look_later(&error));
            for aggregate in not_now.drain(..) {
                under_way.remove(&aggregate);
            }
            let look_again = Instant::now() + PARKED_LOOK_EVERY;
            loop {
                for one in came.drain(..) {
                    match one {
                        RetryResult::Tried(aggregate) => drop(under_way.remove(&aggregate)),
                        RetryResult::NotNow(aggregate) => not_now.push(aggregate),
                    }
                }
                let due = beside(&mut tries, &mut came, self.next_due(&under_way)).await;
                for first in due.unwrap_or_else(|error| self.look_later(&error)) {
                    under_way.insert(first.aggregate_id);
                    tries.push(self.try_again(first));
                }
                if !came.is_empty() {
                    continue;
                }
                tokio::select! {
                    Some(one) = tries.next() => came.push(one),
                    () = tokio::time::sleep_until(look_again), if parked != Some(0) => break,
                    () = self.parks.notified() => break,
                }
            }
        }
    }

    /// How much is parked. Whoever has just taken over makes all of it due first.
    async fn look(&self, taken_over: &mut TakenOver) -> Result<Option<i64>, LogError> {
        let name = self.reaction.name();
        if *taken_over == TakenOver::JustNow {
            self.checkpoints.make_all_due(name).await?;
            *taken_over = TakenOver::Before;
        }
        let parked = self.checkpoints.count_parked(name).await?;
        self.gauges.parked.set(parked as f64);
        Ok(Some(parked))
    }

    /// Nothing is known of what is parked, for the time being.
    fn look_later<T: Default>(&self, error: &LogError) -> T {
        let (name, error) = (self.reaction.name(), with_causes(error));
        tracing::warn!(reaction.name = name, error, "failed to manage parked events of the reaction {name}; retrying");
        T::default()
    }

    /// What is to be tried next, as far as there is room for it.
    pub(super) async fn next_due(&self, under_way: &HashSet<Uuid>) -> Result<Vec<FirstParked>, LogError> {
        let but: Vec<Uuid> = under_way.iter().copied().collect();
        match PARKED_AT_ONCE.saturating_sub(but.len()) {
            0 => Ok(vec![]),
            room => self.checkpoints.due(self.reaction.name(), &but, room).await,
        }
    }

    /// Tries what is parked first of an aggregate. What waits behind it has its place in the line then.
    async fn try_again(&self, first: FirstParked) -> RetryResult {
        let aggregate_id = first.aggregate_id;
        self.try_first(&first).await.unwrap_or_else(|error| {
            self.look_later::<()>(&error);
            RetryResult::NotNow(aggregate_id)
        })
    }

    async fn try_first(&self, first: &FirstParked) -> Result<RetryResult, LogError> {
        let (name, aggregate_id) = (self.reaction.name(), first.aggregate_id);
        let facts = self.application.log().after(first.position - 1, 1).await?;
        // One of another log is taken out when the position is read: see `Checkpoints::load`.
        let is_first = |fact: &&Arc<Fact>| (fact.position, fact.aggregate_id) == (first.position, aggregate_id);
        let tried = match facts.first().filter(is_first) {
            Some(fact) => self.attempt(fact).await,
            None => Err(Failure { class: Class::Stays, error: "the log has no event of the aggregate at this position".to_owned() }),
        };
        let Err(Failure { class, error }) = tried else {
            self.checkpoints.release(name, first).await?;
            return Ok(RetryResult::Tried(aggregate_id));
        };
        if !self.is_about_the_event(class).await {
            return Ok(RetryResult::NotNow(aggregate_id));
        }
        self.log_parked(first.position, aggregate_id, &error);
        let tries = first.tries.saturating_add(1);
        let failed = Failed::new(&error, tries, parked_pause(tries, self.random()));
        self.checkpoints.failed_again(name, first.position, &failed).await?;
        Ok(RetryResult::Tried(aggregate_id))
    }
}

/// Waits while retries run, and records their results.
async fn beside<T>(
    tries: &mut FuturesUnordered<impl Future<Output = RetryResult>>,
    came: &mut Vec<RetryResult>,
    something: impl Future<Output = T>,
) -> T {
    tokio::pin!(something);
    loop {
        tokio::select! {
            biased;
            done = &mut something => return done,
            Some(one) = tries.next() => came.push(one),
        }
    }
}
