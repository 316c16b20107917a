//! The state that the parts of a reaction share.

use super::reaction::Reaction;
use crate::Application;
use crate::ports::Checkpoints;
use metrics::Gauge;
use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// How often an event is tried before its aggregate is parked, where its failure may pass. One that stays is parked at once.
pub const TRIES_MAX: u32 = 5;
/// So long after its first failure, the next failure of such an event is the last one: others wait behind slow failures.
pub const TRY_FOR_MAX: Duration = Duration::from_secs(10);
/// Longest time of one try.
pub const ATTEMPT_WITHIN: Duration = Duration::from_secs(30);
/// Longest time until it is known what a try came to: the try, and the question whether the log takes other commands.
pub const TRY_WITHIN: Duration = ATTEMPT_WITHIN.saturating_mul(2);
/// Longest time until an event is answered or parked whose failures are about it: the first try, those within [`TRY_FOR_MAX`]
/// after it, and one that starts at the end of that.
pub const SETTLE_WITHIN: Duration = TRY_WITHIN.saturating_mul(2).saturating_add(TRY_FOR_MAX);

/// How long things may take: as above, but in tests.
#[derive(Debug, Clone, Copy)]
pub(super) struct TryLimits {
    pub(super) try_for: Duration,
    pub(super) attempt_within: Duration,
}

impl Default for TryLimits {
    fn default() -> Self {
        Self { try_for: TRY_FOR_MAX, attempt_within: ATTEMPT_WITHIN }
    }
}

/// What a reaction waits for without bound on this node, if it does.
pub type Problem = Option<String>;

/// Where a reaction reports its state.
pub struct Reports {
    pub problem: watch::Sender<Problem>,
    /// Progress, for the task that renews the lease: one signal for each event that is settled.
    pub progress: watch::Sender<()>,
}

/// One reaction at work.
pub(super) struct Worker<'a> {
    pub(super) application: &'a Application,
    pub(super) checkpoints: &'a dyn Checkpoints,
    pub(super) reaction: &'a dyn Reaction,
    pub(super) gauges: Gauges,
    pub(super) limits: TryLimits,
    pub(super) reports: &'a Reports,
    /// Reports when something is parked.
    pub(super) parks: Notify,
    /// The positions behind the checkpoint that were settled. One that is settled again, since the checkpoint could not be moved,
    /// is no progress.
    pub(super) settled: Mutex<HashSet<i64>>,
}

pub(super) struct Gauges {
    pub(super) lag: Gauge,
    pub(super) parked: Gauge,
}

impl Gauges {
    pub(super) fn of(reaction: &'static str) -> Self {
        Self {
            lag: metrics::gauge!("milepost_reaction_lag_events", "reaction" => reaction),
            parked: metrics::gauge!("milepost_reaction_parked_events", "reaction" => reaction),
        }
    }
}

impl Worker<'_> {
    /// Reports the problem that the reaction waits for, in the log when it starts and ends.
    pub(super) fn report(&self, problem: Problem) {
        let (name, before) = (self.reaction.name(), self.reports.problem.send_replace(problem.clone()));
        match (before, problem) {
            (None, Some(error)) => tracing::warn!(reaction.name = name, error, "the reaction {name} is waiting and will retry"),
            (Some(_), None) => tracing::info!(reaction.name = name, "the reaction {name} continues"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    pub(super) fn random(&self) -> u64 {
        self.application.new_id().as_u128() as u64
    }

    pub(super) fn log_parked(&self, position: i64, aggregate_id: Uuid, error: &str) {
        tracing::error!(
            reaction.name = self.reaction.name(),
            event.position = position,
            event.aggregate_id = %aggregate_id,
            error,
            "event {position} is parked: the reaction {} holds back its aggregate and continues with all others",
            self.reaction.name(),
        );
    }
}
