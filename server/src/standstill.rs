//! Detects stuck read models by time alone, for any cause and on any node.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A read model that has not advanced for this time while it was behind the log is stuck. Moving it to another node
/// takes half of it.
pub const STANDSTILL: Duration = Duration::from_secs(10);

/// When each read model was first seen behind the log at the position where it still is.
#[derive(Debug, Default)]
pub struct Standstills {
    seen: Mutex<HashMap<String, (i64, Instant)>>,
}

impl Standstills {
    /// How long a read model is known to have been at a position.
    pub fn at(&self, name: &str, position: i64, head: i64) -> Duration {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if position >= head {
            seen.remove(name);
            return Duration::ZERO;
        }
        let now = Instant::now();
        let (_, since) = *seen
            .entry(name.to_owned())
            .and_modify(|(at, since)| {
                if *at != position {
                    (*at, *since) = (position, now);
                }
            })
            .or_insert((position, now));
        now.duration_since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_model_stands_only_while_it_is_behind_at_one_position() {
        let standstills = Standstills::default();
        assert_eq!(standstills.at("tasks", 5, 7), Duration::ZERO);
        assert!(standstills.at("tasks", 5, 9) > Duration::ZERO, "the log went on, it did not");
        assert_eq!(standstills.at("tasks", 6, 9), Duration::ZERO, "it went on");
        assert!(standstills.at("tasks", 6, 9) > Duration::ZERO);
        assert_eq!(standstills.at("other", 6, 9), Duration::ZERO);
        assert_eq!(standstills.at("tasks", 9, 9), Duration::ZERO, "it has caught up");
        assert_eq!(standstills.at("tasks", 9, 10), Duration::ZERO);
    }
}
