//! Turns passing time into deadline events.
//!
//! It sleeps until the earliest moment that any schedule waits for and then sends ticks. Whether something fires, and
//! that it fires once, is decided by the schedule itself on its own stream; the scheduler only has to be in time. Its
//! lease keeps a second node from doing the same in vain.

use crate::Application;
use crate::caller::{Caller, Circumstances, Role, Source};
use crate::error::CommandError;
use crate::lease::lost;
use crate::ports::{CommandKey, Deadlines, DueSchedule, LogError};
use chrono::{DateTime, Utc};
use domain::ids::{ScheduleId, derived, system};
use futures::StreamExt;
use futures::stream;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
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
/// Least time between two looks at the read model.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Longest wait for the read model to take in what has just fired.
const SETTLE_FOR: Duration = Duration::from_secs(2);
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Ticks while the lease is held. Returns when nobody will hold it any more.
pub async fn run(application: &Application, deadlines: &dyn Deadlines, mut lease: watch::Receiver<Option<i64>>) {
    loop {
        if lease.wait_for(Option::is_some).await.is_err() {
            return;
        }
        tokio::select! {
            Err(error) = tick_on(application, deadlines) => {
                tracing::warn!(%error, "the scheduler was interrupted; going on");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            () = lost(&mut lease) => {}
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

/// What is left alone, and since when.
type Aside = HashMap<(Uuid, i64, DateTime<Utc>), Instant>;

/// Sends a tick to every schedule whose moment has come by now, and says which moment that is.
async fn fire(application: &Application, deadlines: &dyn Deadlines, aside: &mut Aside) -> Result<DateTime<Utc>, LogError> {
    let now = application.clock().now();
    aside.retain(|_, since| since.elapsed() < ASIDE_FOR);
    let mut last = None;
    loop {
        let page = deadlines.due(now, last.clone(), BATCH_SCHEDULES_MAX).await?;
        let Some(end) = page.last().cloned() else { break };
        let whole = page.len() as i64 == BATCH_SCHEDULES_MAX;
        let ready: Vec<DueSchedule> = page.into_iter().filter(|due| !aside.contains_key(&name(due))).collect();
        let fired: Vec<(DueSchedule, Option<i64>)> = stream::iter(ready)
            .map(|due| async { (tick(application, &due).await, due) })
            .buffer_unordered(TICKS_AT_ONCE)
            .map(|(position, due)| (due, position))
            .collect()
            .await;
        for (due, _) in fired.iter().filter(|(_, position)| position.is_none()) {
            aside.insert(name(due), Instant::now());
        }
        // Wait until the read model knows, or the same schedules would be read again.
        if let Some(newest) = fired.iter().filter_map(|(_, position)| *position).max() {
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

/// The position of what fired, or `None` if nothing did.
async fn tick(application: &Application, due: &DueSchedule) -> Option<i64> {
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
    match application.tick(&how, Some(&key), ScheduleId(due.id)).await {
        Ok(outcome) => {
            let fired = !outcome.recorded.is_empty() || outcome.replayed;
            if !outcome.recorded.is_empty() {
                metrics::counter!("milepost_scheduler_firings_total").increment(1);
                let late = application.clock().now() - due.fire_at;
                metrics::histogram!("milepost_scheduler_lateness_seconds").record(late.as_seconds_f64());
            }
            fired.then_some(outcome.position)
        }
        // What was read is out of date: the project rests, or the moment moved. The read model will show it.
        Err(CommandError::Refused(_) | CommandError::NotFound(_)) => None,
        Err(error) => {
            tracing::warn!(schedule.id = %due.id, %error, "a tick did not get through; it is sent again");
            None
        }
    }
}
