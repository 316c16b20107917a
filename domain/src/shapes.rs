//! The shapes that events have had, and the one place that knows an event's version.
//!
//! A version is one more than the number of upcasters of its event, so it cannot be raised without one: everybody who
//! writes, reads or publishes a version asks here.

use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Turns the payload of one version of an event into that of the next.
type Upcaster = fn(Value) -> Value;

/// All upcasters: the event's stored name and how its oldest shape becomes the second, then the second the third, and so on.
const UPCASTERS: &[(&str, Upcaster)] = &[];

/// The version of an event's shape, from 1. Only this module makes one, so nobody else has an opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct EventVersion(u32);

impl EventVersion {
    /// The version in which an event is written now.
    pub fn newest(event_type: &str) -> Self {
        Self(1 + upcasters(event_type).count() as u32)
    }

    /// A stored version, if it is one that this program can read: a whole number without leading zeros.
    pub(crate) fn stored(event_type: &str, text: &str) -> Option<Self> {
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let version = Self(text.parse().ok().filter(|_| canonical)?);
        (version <= Self::newest(event_type)).then_some(version)
    }
}

impl fmt::Display for EventVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A payload in the newest shape of its event.
pub(crate) fn upcast(event_type: &str, from: EventVersion, payload: Value) -> Value {
    upcasters(event_type).skip(from.0 as usize - 1).fold(payload, |payload, upcast| upcast(payload))
}

fn upcasters(event_type: &str) -> impl Iterator<Item = Upcaster> {
    let known = UPCASTERS.iter().filter(move |(name, _)| *name == event_type).map(|(_, upcast)| *upcast);
    #[cfg(test)]
    let known = known.chain(planted::of(event_type));
    known
}

/// Upcasters that a test adds, for its own thread.
#[cfg(test)]
pub(crate) mod planted {
    use super::Upcaster;
    use std::cell::RefCell;

    thread_local! {
        static PLANTED: RefCell<Vec<(&'static str, Upcaster)>> = const { RefCell::new(vec![]) };
    }

    pub(super) fn of(event_type: &str) -> Vec<Upcaster> {
        PLANTED.with_borrow(|all| all.iter().filter(|(name, _)| *name == event_type).map(|(_, upcast)| *upcast).collect())
    }

    /// Raises the version of an event while something is done.
    pub(crate) fn with<T>(event_type: &'static str, upcast: Upcaster, then: impl FnOnce() -> T) -> T {
        PLANTED.with_borrow_mut(|all| all.push((event_type, upcast)));
        let result = then();
        PLANTED.with_borrow_mut(Vec::pop);
        result
    }
}
