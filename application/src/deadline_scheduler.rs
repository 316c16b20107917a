//! Turns passing time into deadline events.
//!
//! It sleeps until the earliest moment that any schedule waits for and then sends ticks. Whether something fires, and
//! that it fires once, is decided by the schedule itself on its own stream; the scheduler only has to be in time. Its
//! lease keeps a second node from doing the same work.
//!
//! A row that was ticked is not ticked again before it changes: see [`set_aside`].

mod set_aside;

pub use set_aside::{ASIDE_FOR, ASIDE_FOR_MAX, ASIDE_SCHEDULES_MAX};

use crate::Application;
use crate::caller::{Caller, Circumstances, Role, Source};
use crate::error::{Class, CommandError, class};
use crate::failure::{with_causes, words_of};
use crate::lease::{idle, lost, renewed};
use crate::notices::{Notice, NoticeName};
use crate::ports::{CommandKey, Deadlines, DueSchedule, LogError};
use chrono::{DateTime, Utc};
use domain::ids::{ScheduleId, derived, system};
use futures::{FutureExt, StreamExt, stream};
use set_aside::{SetAside, TickResult};
use sha2::{Digest, Sha256};
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
/// Longest time of one tick, and again of the check whether the log accepts other commands: one that hangs is set aside
/// before the lease is lost, so that others fire.
pub const TICK_WITHIN: Duration = Duration::from_secs(4);
/// Shortest time between two reads of the read model.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Longest wait for the read model to apply what has just fired.
const SETTLE_FOR: Duration = Duration::from_secs(2);
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Ticks while the lease is held, and reports progress to the task that renews it: after each tick that succeeded, and every second
/// while it waits for the next moment, unless every tick of the last pass is still pending. Returns when this node gives up the lease.
pub async fn run(
    application: &Application,
    deadlines: &dyn Deadlines,
    mut lease: watch::Receiver<Option<i64>>,
    progress: &watch::Sender<()>,
) {
    let mut set_aside = SetAside::default();
    loop {
        let held = lease.wait_for(Option::is_some).await.map(|epoch| *epoch);
        let Ok(Some(epoch)) = held else { return };
        let generation = application.log().generation();
        tokio::select! {
            Err(error) = tick_on(application, deadlines, &mut set_aside, progress) => {
                tracing::warn!(%error, "the scheduler was interrupted and continues");
                clear_notice(application);
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            () = lost(&mut lease, epoch) => {
                set_aside = SetAside::default();
                clear_notice(application);
            }
            // Versions of rows are not comparable with those of another log.
            () = renewed(generation) => {
                set_aside = SetAside::default();
                clear_notice(application);
            }
        }
    }
}

/// Withdraws the notice about schedules that are set aside, until they are known again.
fn clear_notice(application: &Application) {
    set_aside::show(0);
    application.scheduler_notice.send_replace(None);
}

/// Sleeps and fires, until it fails.
async fn tick_on(
    application: &Application,
    deadlines: &dyn Deadlines,
    set_aside: &mut SetAside,
    progress: &watch::Sender<()>,
) -> Result<(), LogError> {
    let mut position = deadlines.position();
    loop {
        position.mark_unchanged();
        let started = Instant::now();
        let pass = fire(application, deadlines, &position, set_aside, progress).await?;
        let next = deadlines.next_fire_after(pass.looked_at).await?;
        // If many rows are listed that do not fire, reading takes no more than half of the time.
        let pause = started.elapsed().max(LOOK_PAUSE);
        let something = async {
            tokio::select! {
                () = sleep_until(application, next) => Ok(()),
                () = sleep_for(set_aside.next_try()) => Ok(()),
                changed = position.changed() => {
                    tokio::time::sleep(pause).await;
                    changed
                }
            }
        };
        let come = if pass.got_through { idle(progress, something).await } else { something.await };
        if come.is_err() {
            return Ok(());
        }
    }
}

async fn sleep_until(application: &Application, moment: Option<DateTime<Utc>>) {
    match moment {
        Some(moment) => application.clock().sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn sleep_for(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// The result of one pass.
struct Pass {
    looked_at: DateTime<Utc>,
    /// Some tick succeeded, or none is pending.
    got_through: bool,
}

/// Sends a tick to every schedule that is due.
async fn fire(
    application: &Application,
    deadlines: &dyn Deadlines,
    position: &watch::Receiver<Option<i64>>,
    set_aside: &mut SetAside,
    progress: &watch::Sender<()>,
) -> Result<Pass, LogError> {
    let now = application.clock().now();
    let (mut last, mut through) = (None, 0);
    loop {
        let read_at = *position.borrow();
        let page = deadlines.due(now, last.clone(), BATCH_SCHEDULES_MAX).await?;
        let Some(end) = page.last().cloned() else { break };
        let whole = page.len() as i64 == BATCH_SCHEDULES_MAX;
        let ready: Vec<DueSchedule> = page.into_iter().filter(|due| set_aside.lets_pass(due)).collect();
        let ticked: Vec<(DueSchedule, TickResult)> = stream::iter(ready)
            .map(|due| async { (tick(application, &due, TICK_WITHIN).await, due) })
            .buffer_unordered(TICKS_AT_ONCE)
            .map(|(result, due)| {
                // One that did not get through might by another node.
                if !matches!(result, TickResult::NotNow) {
                    progress.send_replace(());
                }
                (due, result)
            })
            .collect()
            .await;
        through += ticked.iter().filter(|(_, result)| !matches!(result, TickResult::NotNow)).count();
        for (due, result) in &ticked {
            if set_aside.put(due, *result, read_at) {
                tracing::error!(schedule.id = %due.id, fire_at = %due.fire_at, "the schedule {} is due according to the read model but \
                    not according to its events", due.id);
            }
        }
        // Wait until the read model knows, or the same schedules would be read again.
        if let Some(newest) = ticked.iter().filter_map(|(_, result)| result.position()).max() {
            let mut position = deadlines.position();
            let _ = tokio::time::timeout(SETTLE_FOR, position.wait_for(|position| *position >= Some(newest))).await;
        }
        last = Some(end);
        if !whole {
            break;
        }
    }
    set_aside.end_pass();
    application.scheduler_notice.send_replace(set_aside.disagreeing().map(|(count, id)| disagreement(count, id)));
    Ok(Pass { looked_at: now, got_through: through > 0 || !set_aside.any_waits() })
}

fn disagreement(count: usize, id: Uuid) -> Notice {
    let message = format!(
        "{count} schedules, such as {id}, are due according to the read model schedules but not according to their events; they are \
             ignored until their rows change: run milepost projections rebuild schedules, and report it if that does not help"
    );
    Notice::new(NoticeName::SchedulesDisagree, message)
}

/// Sends a tick, which may take so long. A panic is a failure of this schedule and of no other.
async fn tick(application: &Application, due: &DueSchedule, within: Duration) -> TickResult {
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
    let ticking = AssertUnwindSafe(application.executor.tick(&how, Some(&key), ScheduleId(due.id))).catch_unwind();
    let (class, error) = match tokio::time::timeout(within, ticking).await {
        Ok(Ok(Ok(outcome))) => {
            if !outcome.recorded.is_empty() {
                metrics::counter!("milepost_scheduler_firings_total").increment(1);
                let late = application.clock().now() - due.fire_at;
                metrics::histogram!("milepost_scheduler_lateness_seconds").record(late.as_seconds_f64());
            }
            let nothing = outcome.recorded.is_empty() && !outcome.replayed;
            return if nothing { TickResult::Nothing(outcome.position) } else { TickResult::Fired(outcome.position) };
        }
        // The row is out of date: the project was archived, or the schedule moved. The read model will show it.
        Ok(Ok(Err(CommandError::Refused(_) | CommandError::NotFound(_)))) => return TickResult::Refused,
        Ok(Ok(Err(error))) => (class(&error), with_causes(&error)),
        Ok(Err(panic)) => (Class::Stays, words_of(&*panic)),
        Err(_) => (Class::Unclear, format!("it took longer than {within:?}")),
    };
    let is_about_the_schedule = match class {
        Class::Waits => false,
        Class::Unclear => tokio::time::timeout(within, application.takes_commands()).await.unwrap_or(false),
        Class::MayPass | Class::Stays => true,
    };
    if !is_about_the_schedule {
        tracing::debug!(schedule.id = %due.id, error, "a tick failed; retrying");
        return TickResult::NotNow;
    }
    metrics::counter!("milepost_scheduler_failed_ticks_total").increment(1);
    tracing::warn!(schedule.id = %due.id, error, "the tick of the schedule {} failed; other schedules fire, and it is retried with \
        increasing delays", due.id);
    TickResult::Failed
}

#[cfg(test)]
mod tests;
