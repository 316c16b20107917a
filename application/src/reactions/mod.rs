//! When something happened, then something is to be done: durable subscribers of the log whose answers are commands.
//!
//! Each reaction keeps how far it is. Its commands have ids made from the event, so a crash between the event and the
//! note of it repeats them without effect: nothing is lost, nothing is doubled.
//!
//! What one aggregate's event meets never stops another's. An event that fails although the log takes other commands is
//! parked after a bounded number of tries, with what follows it in its aggregate; everything else goes on. Parked events
//! are tried again with growing pauses, when an admin asks for it, and whenever a node takes over, such as a newer one.
//! Only what says nothing about the event, such as a database that is away, is waited for without bound.
//!
//! That a project at rest silences its schedules needs no reaction: every tick is guarded by the project's version, and
//! the read model that the scheduler looks at leaves them out. So there is no moment between the two.

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
pub use worker::{ATTEMPT_WITHIN, SETTLE_WITHIN, TRIES_MAX, TRY_FOR_MAX, TRY_WITHIN, Told, Trouble};

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
