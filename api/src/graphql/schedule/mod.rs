//! Schedules and their firings in the schema.

mod payload;
mod queries;
mod types;

pub(crate) use queries::ScheduleQueries;
pub(crate) use queries::{DeadlineFilter, ScheduleFilter};
pub(crate) use types::{DeadlineFiring, Schedule, ThresholdUnit};
