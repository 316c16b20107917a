//! Commands on schedules: their inputs, and what they rely on.

mod handling;
mod inputs;

pub use handling::FOLLOWER_CLAIM;
pub(crate) use handling::{ScheduleHandling, follower_of};
pub(crate) use inputs::ScheduleOrder;
pub use inputs::{ScheduleCreateInput, ScheduleInput, ScheduleRescheduleInput, ScheduleUpdateInput, ThresholdInput};
