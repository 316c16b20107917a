//! One event, retried until it is settled or found to be stuck.

use super::pauses::{parked_pause, with_jitter};
use super::reaction::Cause;
use super::worker::{TRIES_MAX, Worker};
use crate::error::{Class, class};
use crate::failure::{with_causes, words_of};
use crate::ports::Failed;
use domain::event::Fact;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The pause after the first failure; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause between tries.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Why an event could not be processed.
pub(super) struct Failure {
    pub(super) class: Class,
    pub(super) error: String,
}

impl Worker<'_> {
    /// Retries until the event is settled: a failure that is not about the event is no reason to skip it. Fails if this event is
    /// stuck although the log accepts other commands.
    pub(super) async fn settle(&self, fact: &Fact) -> Result<(), Failed> {
        let (mut tries, mut failures, mut since) = (0, 0, None);
        loop {
            let Err(Failure { class, error }) = self.attempt(fact).await else { return Ok(()) };
            let is_about_the_event = self.is_about_the_event(class).await;
            let took_too_long = since.is_some_and(|since: Instant| since.elapsed() > self.limits.try_for);
            if is_about_the_event {
                tries += 1;
                since = since.or(Some(Instant::now()));
            } else {
                self.report(Some(error.clone()));
                since = None;
            }
            if class == Class::Stays || tries >= TRIES_MAX || is_about_the_event && took_too_long {
                return Err(Failed::new(&error, tries, parked_pause(tries, self.random())));
            }
            tokio::time::sleep(pause(failures, self.random())).await;
            failures += 1;
        }
    }

    /// Whether a failure is about the event that failed.
    pub(super) async fn is_about_the_event(&self, class: Class) -> bool {
        match class {
            Class::Waits => false,
            Class::Unclear => timeout(self.limits.attempt_within, self.application.takes_commands()).await.unwrap_or(false),
            Class::MayPass | Class::Stays => true,
        }
    }

    /// Tries once. A panic is a failure of this event and of nothing else.
    pub(super) async fn attempt(&self, fact: &Fact) -> Result<(), Failure> {
        let stays = |error: String| Failure { class: Class::Stays, error };
        let event = fact.recorded.as_ref().map_err(|error| stays(error.to_string()))?;
        // One that is parked may have been parked because it waited, or could not be read.
        if !self.reaction.listens_to(&event.event) {
            return Ok(());
        }
        let cause = Cause { reaction: self.reaction.name(), event };
        let reacting = AssertUnwindSafe(self.reaction.react(self.application, &cause)).catch_unwind();
        match timeout(self.limits.attempt_within, reacting).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(Failure { class: class(&error), error: with_causes(&error) }),
            Ok(Err(panic)) => Err(stays(words_of(&*panic))),
            Err(_) => Err(Failure { class: Class::Unclear, error: format!("it took longer than {:?}", self.limits.attempt_within) }),
        }
    }
}

fn pause(failures: u32, random: u64) -> Duration {
    with_jitter(PAUSE_MIN.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX), random)
}
