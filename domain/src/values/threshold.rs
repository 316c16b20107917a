//! How long before its due time a schedule warns.
//!
//! Minutes and hours are exact. Days are counted by the calendar of the schedule's zone, so a warning three days ahead
//! comes at the same local time on both sides of a daylight-saving change.

use super::{Due, Instant, InvalidValue};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Most thresholds of one schedule.
pub const THRESHOLDS_MAX: usize = 20;
/// Longest lead of a threshold, in days.
pub const THRESHOLD_DAYS_MAX: u32 = 3_650;

/// The unit of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdUnit {
    /// Sixty seconds.
    Minutes,
    /// Sixty minutes.
    Hours,
    /// Days of the calendar.
    Days,
}

impl ThresholdUnit {
    /// The word used in texts and stored rows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::Days => "days",
        }
    }

    fn per_day(self) -> u32 {
        match self {
            Self::Minutes => 24 * 60,
            Self::Hours => 24,
            Self::Days => 1,
        }
    }
}

/// A lead before the due time, such as three days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Threshold {
    /// How many units.
    pub amount: u32,
    /// Of what.
    pub unit: ThresholdUnit,
}

impl Threshold {
    /// A lead of 1 unit up to ten years.
    pub fn new(amount: i64, unit: ThresholdUnit) -> Result<Self, InvalidValue> {
        let most = THRESHOLD_DAYS_MAX * unit.per_day();
        match u32::try_from(amount) {
            Ok(amount) if (1..=most).contains(&amount) => Ok(Self { amount, unit }),
            _ => Err(InvalidValue::new(format!("a threshold must be 1 to {most} {}; got {amount}", unit.word()))),
        }
    }

    /// The time at which it is reached.
    pub fn before(self, due: &Due) -> Instant {
        match self.unit {
            ThresholdUnit::Minutes => due.at - TimeDelta::minutes(i64::from(self.amount)),
            ThresholdUnit::Hours => due.at - TimeDelta::hours(i64::from(self.amount)),
            ThresholdUnit::Days => due.days_before(self.amount),
        }
    }
}

/// The thresholds of a schedule as requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds(Vec<Threshold>);

impl Default for Thresholds {
    /// Three days ahead.
    fn default() -> Self {
        Self(vec![Threshold { amount: 3, unit: ThresholdUnit::Days }])
    }
}

impl Thresholds {
    /// Checks the limit. An empty list is allowed: then only the due time itself fires.
    pub fn new(thresholds: Vec<Threshold>) -> Result<Self, InvalidValue> {
        match thresholds.len() {
            n if n > THRESHOLDS_MAX => Err(InvalidValue::too_many(
                "TOO_MANY_THRESHOLDS",
                format!("a schedule can have at most {THRESHOLDS_MAX} thresholds; got {n}"),
            )),
            _ => Ok(Self(thresholds)),
        }
    }

    /// The leads of a schedule as stored. A limit that has been tightened since does not apply to them.
    pub fn stored(leads: Vec<Threshold>) -> Self {
        Self(leads)
    }

    /// The times of these thresholds for a due time, the earliest first. Leads with equal times stay separate, since
    /// they may differ for another due time; their common time fires once.
    pub fn resolve(&self, due: &Due) -> Vec<ResolvedThreshold> {
        let mut resolved: Vec<_> = self.0.iter().map(|t| ResolvedThreshold { amount: t.amount, unit: t.unit, at: t.before(due) }).collect();
        resolved.sort_by_key(|t| (t.at, t.unit, t.amount));
        resolved.dedup();
        resolved
    }
}

/// A threshold with its time, as stored: new time-zone data does not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedThreshold {
    /// How many units.
    pub amount: u32,
    /// Of what.
    pub unit: ThresholdUnit,
    /// When it is reached.
    pub at: Instant,
}

impl ResolvedThreshold {
    /// The lead alone.
    pub fn lead(&self) -> Threshold {
        Threshold { amount: self.amount, unit: self.unit }
    }
}
