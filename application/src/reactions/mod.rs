//! Process managers: durable subscribers of the log that answer events with commands.
//!
//! Each reaction stores its position. Its commands have ids derived from the event, so a crash between the command and the
//! checkpoint repeats them without effect: nothing is lost, nothing is doubled.
//!
//! A failing event of one aggregate never stops another's. An event that fails although the log accepts other commands is
//! parked after a bounded number of tries, with the events that follow it in its aggregate; everything else continues. Parked events
//! are retried with growing pauses, when an admin requests it, and whenever a node takes over, such as a newer one.
//! Only a failure that is not about the event, such as an unreachable database, is waited for without bound.
//!
//! That no schedule of an archived project fires needs no reaction: every tick is guarded by the project's version, and
//! the read model that the scheduler reads leaves them out. So there is no gap between the two.

mod attempt;
mod keep_schedule_in_step_with_task;
mod parked;
mod pauses;
mod reaction;
mod runner;
mod worker;

#[cfg(test)]
mod tests;

pub use parked::{PARKED_AT_ONCE, PARKED_LOOK_EVERY};
pub use pauses::{PARKED_PAUSE_MAX, PARKED_PAUSE_MIN};
pub use reaction::{Cause, Reaction};
pub use runner::{AGGREGATES_AT_ONCE, BATCH_FACTS_MAX, run};
pub use worker::{ATTEMPT_WITHIN, Problem, Reports, SETTLE_WITHIN, TRIES_MAX, TRY_FOR_MAX, TRY_WITHIN};

use keep_schedule_in_step_with_task::KeepScheduleInStepWithTask;
use std::sync::Arc;

/// Every reaction.
pub fn all() -> Vec<Arc<dyn Reaction>> {
    vec![Arc::new(KeepScheduleInStepWithTask)]
}

/// The lease of the node that reacts.
pub fn lease_name(reaction: &str) -> String {
    format!("reaction/{reaction}")
}
