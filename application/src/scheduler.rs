//! Turns passing time into deadline events.
//!
//! It sleeps until the earliest moment that any schedule waits for and then sends ticks. Whether something fires, and
//! that it fires once, is decided by the schedule itself on its own stream; the scheduler only has to be in time. Its
//! lease keeps a second node from doing the same in vain.

use crate::Application;
use crate::caller::{Caller, Circumstances, Role, Source};
use crate::error::CommandError;
use crate::failure::{Class, class, with_causes, words_of};
use crate::lease::lost;
use crate::ports::{CommandKey, Deadlines, DueSchedule, LogError};
use chrono::{DateTime, Utc};
use domain::ids::{ScheduleId, derived, system};
use futures::{FutureExt, StreamExt, stream};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

/// The lease of the node that ticks.
pub const LEASE: &str = "scheduler";
/// Most schedules read at once.
pub const BATCH_SCHEDULES_MAX: i64 = 500;
/// Most ticks at the same time.
pub const TICKS_AT_ONCE: usize = 64;
/// How long a schedule whose tick came to nothing is left alone: what was read of it is out of date. This is no time of
/// the port's clock, which may be set back.
pub const ASIDE_FOR: Duration = Duration::from_secs(1);
/// Longest time that a schedule whose tick fails is left alone. The time doubles with each failure.
pub const ASIDE_FOR_MAX: Duration = Duration::from_secs(60 * 60);
/// Least time between two looks at the read model.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Longest wait for the read model to take in what has just fired.
const SETTLE_FOR: Duration = Duration::from_secs(2);
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Ticks while the lease is held. Returns when nobody will hold it any more.
pub async fn run(application: &Application, deadlines: &dyn Deadlines, mut lease: watch::Receiver<Option<i64>>) {
    loop {
        let held = lease.wait_for(Option::is_some).await.map(|epoch| *epoch);
        let Ok(Some(epoch)) = held else { return };
        tokio::select! {
            Err(error) = tick_on(application, deadlines) => {
                tracing::warn!(%error, "the scheduler was interrupted; going on");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            () = lost(&mut lease, epoch) => {}
        }
    }
}

/// Sleeps and fires, for ever.
async fn tick_on(application: &Application, deadlines: &dyn Deadlines) -> Result<(), LogError> {
    let mut position = deadlines.position();
    let mut aside = HashMap::new();
    loop {
        position.mark_unchanged();
        let looked_at = fire(application, deadlines, &mut aside).await?;
        let next = deadlines.next_fire_at().await?;
        tokio::select! {
            () = sleep_until(application, next, looked_at) => {}
            changed = position.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
    }
}

async fn sleep_until(application: &Application, moment: Option<DateTime<Utc>>, looked_at: DateTime<Utc>) {
    match moment {
        // It was due already when it was looked at, so it was put aside. It must not keep the scheduler turning.
        Some(moment) if moment <= looked_at => tokio::time::sleep(ASIDE_FOR).await,
        Some(moment) => application.clock().sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What is left alone.
type Aside = HashMap<(Uuid, i64, DateTime<Utc>), Alone>;

/// Since when a schedule is left alone, for how long, and how often its tick has failed.
struct Alone {
    since: Instant,
    pause: Duration,
    failures: u32,
}

impl Alone {
    fn is_over(&self) -> bool {
        self.since.elapsed() >= self.pause
    }

    /// After another tick that came to nothing.
    fn after(before: Option<&Self>, ticked: &Ticked) -> Self {
        let failures = match ticked {
            Ticked::Failed => before.map_or(0, |before| before.failures).saturating_add(1),
            Ticked::Fired(_) | Ticked::OutOfDate | Ticked::NotNow => 0,
        };
        let pause = ASIDE_FOR.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(ASIDE_FOR_MAX);
        Self { since: Instant::now(), pause, failures }
    }
}

/// Sends a tick to every schedule whose moment has come by now, and says which moment that is.
async fn fire(application: &Application, deadlines: &dyn Deadlines, aside: &mut Aside) -> Result<DateTime<Utc>, LogError> {
    let now = application.clock().now();
    // How often one has failed is remembered until it has been left alone twice as long.
    aside.retain(|_, alone| alone.since.elapsed() < alone.pause * 2);
    let mut last = None;
    loop {
        let page = deadlines.due(now, last.clone(), BATCH_SCHEDULES_MAX).await?;
        let Some(end) = page.last().cloned() else { break };
        let whole = page.len() as i64 == BATCH_SCHEDULES_MAX;
        let ready: Vec<DueSchedule> = page.into_iter().filter(|due| aside.get(&name(due)).is_none_or(Alone::is_over)).collect();
        let ticked: Vec<(DueSchedule, Ticked)> = stream::iter(ready)
            .map(|due| async { (tick(application, &due).await, due) })
            .buffer_unordered(TICKS_AT_ONCE)
            .map(|(ticked, due)| (due, ticked))
            .collect()
            .await;
        let mut newest = None;
        for (due, ticked) in ticked {
            match ticked {
                Ticked::Fired(position) => newest = newest.max(Some(position)),
                Ticked::OutOfDate | Ticked::NotNow | Ticked::Failed => {
                    let alone = Alone::after(aside.get(&name(&due)), &ticked);
                    aside.insert(name(&due), alone);
                }
            }
        }
        // Wait until the read model knows, or the same schedules would be read again.
        if let Some(newest) = newest {
            let mut position = deadlines.position();
            let _ = tokio::time::timeout(SETTLE_FOR, position.wait_for(|position| *position >= newest)).await;
        }
        last = Some(end);
        if !whole {
            break;
        }
    }
    Ok(now)
}

fn name(due: &DueSchedule) -> (Uuid, i64, DateTime<Utc>) {
    (due.id, due.due_revision, due.fire_at)
}

/// What came of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ticked {
    /// It fired, at this position.
    Fired(i64),
    /// There was nothing to fire: what was read of the schedule is out of date.
    OutOfDate,
    /// Whatever was in the way passes, and says nothing about the schedule.
    NotNow,
    /// It failed although the log takes other commands.
    Failed,
}

/// Sends a tick. A panic is a failure of this schedule and of no other.
async fn tick(application: &Application, due: &DueSchedule) -> Ticked {
    let how = Circumstances {
        caller: Caller { actor: system::SCHEDULER, workspace: due.workspace, role: Role::Service },
        source: Source::Scheduler,
        at: None,
        correlation_id: application.new_id(),
        causation_id: None,
        traceparent: None,
    };
    let moment = due.fire_at.timestamp_millis().to_string();
    let id = derived(&["tick", &due.id.to_string(), &due.due_revision.to_string(), &moment]);
    let key = CommandKey { source: Source::Scheduler, id, request_hash: Sha256::digest(id.as_bytes()).into() };
    let error = match AssertUnwindSafe(application.tick(&how, Some(&key), ScheduleId(due.id))).catch_unwind().await {
        Ok(Ok(outcome)) => {
            let fired = !outcome.recorded.is_empty() || outcome.replayed;
            if !outcome.recorded.is_empty() {
                metrics::counter!("milepost_scheduler_firings_total").increment(1);
                let late = application.clock().now() - due.fire_at;
                metrics::histogram!("milepost_scheduler_lateness_seconds").record(late.as_seconds_f64());
            }
            return if fired { Ticked::Fired(outcome.position) } else { Ticked::OutOfDate };
        }
        // What was read is out of date: the project rests, or the moment moved. The read model will show it.
        Ok(Err(CommandError::Refused(_) | CommandError::NotFound(_))) => return Ticked::OutOfDate,
        Ok(Err(error)) => {
            let is_about_the_schedule = match class(&error) {
                Class::Waits => false,
                Class::Unclear => application.takes_commands().await,
                Class::MayPass | Class::Stays => true,
            };
            if !is_about_the_schedule {
                tracing::debug!(schedule.id = %due.id, %error, "a tick did not get through; it is sent again");
                return Ticked::NotNow;
            }
            with_causes(&error)
        }
        Err(panic) => words_of(&*panic),
    };
    metrics::counter!("milepost_scheduler_failed_ticks_total").increment(1);
    tracing::warn!(schedule.id = %due.id, error, "the tick of the schedule {} failed; others fire, and it is sent again, each time later", due.id);
    Ticked::Failed
}

#[cfg(test)]
mod tests;
