//! Schedules that were ticked and are still listed as due: while the row is unchanged, a tick would have the same result.
//!
//! Such a row is set aside until it changes or is no longer listed. If the row does not show why the tick had no effect (the task
//! of a follower is closed, or the read model has not yet applied that a project is archived), or if the tick failed, it is retried:
//! after a second, and then after pauses that double. A failure that all ticks share does not double the pause.

use crate::ports::DueSchedule;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Pause before a tick that was refused or failed is sent again. It is not by the port's clock, which may be set back.
pub const ASIDE_FOR: Duration = Duration::from_secs(1);
/// Longest such pause.
pub const ASIDE_FOR_MAX: Duration = Duration::from_secs(3_600);
/// Most rows that are set aside. Beyond it all are removed, and each is ticked once more.
pub const ASIDE_SCHEDULES_MAX: usize = 100_000;

/// The result of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TickResult {
    /// An event, at this position.
    Fired(i64),
    /// No event: the schedule, whose newest event is at this position, waits for no moment.
    Nothing(i64),
    /// A refusal.
    Refused,
    /// The failure is temporary and not about the schedule.
    NotNow,
    /// It failed although the log accepts other commands.
    Failed,
}

impl TickResult {
    /// The position of what fired.
    pub(super) fn position(self) -> Option<i64> {
        match self {
            Self::Fired(position) => Some(position),
            Self::Nothing(_) | Self::Refused | Self::NotNow | Self::Failed => None,
        }
    }
}

/// Shows how many rows are set aside.
pub(super) fn show(rows: usize) {
    metrics::gauge!("milepost_scheduler_aside_schedules").set(rows as f64);
}

/// A row of the read model as it was when it was ticked.
type Row = (Uuid, i64, i64, DateTime<Utc>);

fn row(due: &DueSchedule) -> Row {
    (due.id, due.version, due.due_revision, due.fire_at)
}

struct Ticked {
    /// The pass that listed it last.
    listed: u64,
    /// When to try again, and the pause until then.
    again: Option<(Instant, Duration)>,
    /// The row is due by the events up to its position, and the schedule is not.
    disagrees: bool,
    /// Its last tick is pending.
    waits: bool,
}

/// The rows that were ticked and are still listed.
#[derive(Default)]
pub(super) struct SetAside {
    rows: HashMap<Row, Ticked>,
    pass: u64,
}

impl SetAside {
    /// Whether a row that is listed is to be ticked now.
    pub(super) fn lets_pass(&mut self, due: &DueSchedule) -> bool {
        match self.rows.get_mut(&row(due)) {
            None => true,
            Some(ticked) => {
                ticked.listed = self.pass;
                ticked.again.is_some_and(|(at, _)| at <= Instant::now())
            }
        }
    }

    /// Records the result of a row's tick. `position` is that of the read model when it listed the row, if known. Returns whether the
    /// row and the schedule are found to disagree.
    pub(super) fn put(&mut self, due: &DueSchedule, result: TickResult, position: Option<i64>) -> bool {
        if self.rows.len() >= ASIDE_SCHEDULES_MAX {
            self.rows.clear();
        }
        let before = self.rows.get(&row(due)).and_then(|ticked| ticked.again);
        let pause = match result {
            TickResult::Fired(_) | TickResult::Nothing(_) => None,
            TickResult::NotNow => Some(ASIDE_FOR),
            TickResult::Refused | TickResult::Failed => Some(before.map_or(ASIDE_FOR, |(_, pause)| (pause * 2).min(ASIDE_FOR_MAX))),
        };
        let disagrees = matches!(result, TickResult::Nothing(newest) if Some(newest) <= position);
        self.rows.insert(
            row(due),
            Ticked {
                listed: self.pass,
                again: pause.map(|pause| (Instant::now() + pause, pause)),
                disagrees,
                waits: result == TickResult::NotNow,
            },
        );
        disagrees
    }

    /// Forgets rows that the pass which ends here did not list: they changed, or are silenced.
    pub(super) fn end_pass(&mut self) {
        self.rows.retain(|_, ticked| ticked.listed == self.pass);
        self.pass += 1;
        show(self.rows.len());
    }

    /// How long until something is to be tried again, if anything is.
    pub(super) fn next_try(&self) -> Option<Duration> {
        let next = self.rows.values().filter_map(|ticked| ticked.again).map(|(at, _)| at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Whether a tick is still to get through.
    pub(super) fn any_waits(&self) -> bool {
        self.rows.values().any(|ticked| ticked.waits)
    }

    /// Schedules that are due in the read model and not by their own events: how many, and one of them.
    pub(super) fn disagreeing(&self) -> Option<(usize, Uuid)> {
        let mut ids = self.rows.iter().filter(|(_, ticked)| ticked.disagrees).map(|((id, ..), _)| *id);
        let one = ids.next()?;
        Some((ids.count() + 1, one))
    }

    /// How long a row is left alone, unless it is until it changes.
    #[cfg(test)]
    pub(super) fn pause(&self, due: &DueSchedule) -> Option<Duration> {
        self.rows.get(&row(due))?.again.map(|(_, pause)| pause)
    }

    /// As if that time were over.
    #[cfg(test)]
    pub(super) fn end_pause(&mut self, due: &DueSchedule) {
        if let Some(Ticked { again: Some((at, _)), .. }) = self.rows.get_mut(&row(due)) {
            *at = Instant::now();
        }
    }
}
