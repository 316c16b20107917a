//! The limits of the relay, and the names under which it is known.

use std::time::Duration;

/// The lease of the node that relays.
pub const LEASE: &str = "relay";
/// Most events in one transaction. What begins and ends one costs as much as some hundred events.
pub const BATCH_EVENTS_MAX: usize = 4_000;
/// Shortest time from a commit to the next transaction, unless that was made ready meanwhile. The broker ends a transaction
/// after it has answered; meanwhile it turns the next one away, and librdkafka asks again after 20 ms.
pub const COMMIT_GAP: Duration = Duration::from_millis(3);
/// Longest wait for one answer of the brokers.
pub const BROKERS_TIMEOUT: Duration = Duration::from_secs(30);
/// The row of `milepost.checkpoints` that shows how far the relay is.
pub const CHECKPOINT: &str = "relay";
/// The topic setting that must say that brokers keep the relay's record, and what it must say.
pub const CLEANUP_POLICY: (&str, &str) = ("cleanup.policy", "compact");
/// How often a relay that refuses looks whether it still has to.
pub const REEXAMINE_EVERY: Duration = Duration::from_secs(3);
