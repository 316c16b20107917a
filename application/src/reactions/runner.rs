//! Follows the log for a reaction.

use super::reaction::Reaction;
use super::worker::{Gauges, Reports, TryLimits, Worker};
use crate::Application;
use crate::failure::with_causes;
use crate::lease::{lost, renewed};
use crate::ports::{Checkpoints, LogError, Parked, Waiting};
use domain::event::Fact;
use futures::{StreamExt, stream};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Most facts read at once.
pub const BATCH_FACTS_MAX: usize = 500;
/// Most aggregates whose events are answered at the same time.
pub const AGGREGATES_AT_ONCE: usize = 64;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Answers events while the lease is held, and reports what it waits for. Returns when this node gives up the lease.
pub async fn run(
    application: &Application,
    checkpoints: &dyn Checkpoints,
    reaction: &dyn Reaction,
    lease: watch::Receiver<Option<i64>>,
    reports: &Reports,
) {
    let (gauges, limits) = (Gauges::of(reaction.name()), TryLimits::default());
    Worker { application, checkpoints, reaction, reports, gauges, limits, parks: Notify::new(), settled: Mutex::default() }
        .run(lease)
        .await;
}

impl Worker<'_> {
    /// Works while the lease is held. Returns when this node gives it up.
    pub(super) async fn run(&self, mut lease: watch::Receiver<Option<i64>>) {
        loop {
            let held = lease.wait_for(Option::is_some).await.map(|epoch| *epoch);
            let Ok(Some(epoch)) = held else { return };
            let generation = self.application.log().generation();
            self.all_settled().clear();
            tokio::select! {
                // A lost lease is noticed before any work continues under it.
                biased;
                () = lost(&mut lease, epoch) => {}
                // The lease may still be held: work starts again.
                () = renewed(generation) => {}
                // What the node before has parked is made due while events are answered: one that this node parks before all are
                // due is tried once more at once, which does no harm.
                () = self.retry_parked() => {}
                () = self.work() => {}
            }
            // Another node reacts now, and knows.
            self.reports.problem.send_replace(None);
            self.gauges.lag.set(0.0);
            self.gauges.parked.set(0.0);
        }
    }

    /// Follows the log until it is stopped.
    async fn work(&self) {
        loop {
            if let Err(error) = self.follow().await {
                self.report(Some(with_causes(&error)));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn follow(&self) -> Result<(), LogError> {
        let (name, log) = (self.reaction.name(), self.application.log());
        let mut position = self.checkpoints.load(name).await?;
        // Only this parks anything, so where nothing is parked nothing will be before it does.
        let mut any_parked = true;
        let mut head = log.head();
        loop {
            let facts = log.after(position, BATCH_FACTS_MAX).await?;
            if self.reports.problem.borrow().is_some() {
                self.report(None);
            }
            let Some(last) = facts.last().map(|fact| fact.position) else {
                self.gauges.lag.set(0.0);
                match head.wait_for(|head| *head > position).await {
                    Ok(_) => continue,
                    Err(_) => return Ok(()),
                }
            };
            let by_aggregate = self.by_aggregate(&facts);
            let mut waiting = HashSet::new();
            if any_parked && !by_aggregate.is_empty() {
                let aggregates: Vec<Uuid> = by_aggregate.keys().copied().collect();
                Waiting { aggregates: waiting, any: any_parked } = self.checkpoints.waiting(name, &aggregates).await?;
            }
            let parked = self.showing_lag(position, &mut head, self.react_to(by_aggregate, &waiting)).await;
            if !self.checkpoints.advance(name, position, last, &parked).await? {
                return Ok(());
            }
            if !parked.is_empty() {
                any_parked = true;
                self.parks.notify_one();
            }
            self.all_settled().clear();
            position = last;
        }
    }

    /// Shows how far behind the log a position is while something is done: it may take long, or never end.
    async fn showing_lag<T>(&self, position: i64, head: &mut watch::Receiver<i64>, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            self.gauges.lag.set((*head.borrow_and_update() - position).max(0) as f64);
            tokio::select! {
                done = &mut work => return done,
                Ok(()) = head.changed() => {}
            }
        }
    }

    /// The events that may need a command, by their aggregate.
    fn by_aggregate<'f>(&self, facts: &'f [Arc<Fact>]) -> HashMap<Uuid, Vec<&'f Fact>> {
        let mut by_aggregate: HashMap<Uuid, Vec<&Fact>> = HashMap::new();
        for fact in facts {
            // One that cannot be read may be of those that are listened to.
            if fact.recorded.as_ref().map_or(true, |recorded| self.reaction.listens_to(&recorded.event)) {
                by_aggregate.entry(fact.aggregate_id).or_default().push(fact);
            }
        }
        by_aggregate
    }

    /// Answers facts: those of one aggregate in order, those of different ones at the same time. Gives those to be parked.
    async fn react_to(&self, by_aggregate: HashMap<Uuid, Vec<&Fact>>, waiting: &HashSet<Uuid>) -> Vec<Parked> {
        let answers: Vec<_> =
            by_aggregate.into_iter().map(|(aggregate, facts)| self.react_in_order(facts, waiting.contains(&aggregate))).collect();
        stream::iter(answers).buffer_unordered(AGGREGATES_AT_ONCE).concat().await
    }

    fn all_settled(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event is answered, or is to be parked.
    fn report_progress(&self, position: i64) {
        if self.all_settled().insert(position) {
            self.reports.progress.send_replace(());
        }
    }

    /// Answers facts of one aggregate. Gives those to be parked: the first that is stuck, and all behind it.
    async fn react_in_order(&self, facts: Vec<&Fact>, mut waits: bool) -> Vec<Parked> {
        let mut parked = vec![];
        for fact in facts {
            let failed = if waits {
                None
            } else {
                let settled = self.settle(fact).await;
                self.report_progress(fact.position);
                match settled {
                    Ok(()) => continue,
                    Err(failed) => Some(failed),
                }
            };
            if let Some(failed) = &failed {
                self.log_parked(fact.position, fact.aggregate_id, &failed.error);
            }
            waits = true;
            let (position, aggregate_id, event_type) = (fact.position, fact.aggregate_id, fact.event_type.clone());
            parked.push(Parked { position, aggregate_id, event_type, failed });
        }
        parked
    }
}
