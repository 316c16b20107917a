//! The shapes that events have had.
//!
//! A version is one more than the number of upcasters in the event's row of its table, so it cannot be raised without one.

use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Turns the payload of one version of an event into that of the next.
pub(crate) type Upcaster = fn(Value) -> Value;

/// The version of an event's shape, from 1. Only this module constructs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct EventVersion(u32);

impl EventVersion {
    /// The version in which an event with these upcasters is written now.
    pub(crate) fn newest(event_type: &str, upcasters: &[Upcaster]) -> Self {
        Self(1 + all(event_type, upcasters).count() as u32)
    }

    /// A stored version, if it is one that this program can read: a whole number without leading zeros.
    pub(crate) fn stored(event_type: &str, upcasters: &[Upcaster], text: &str) -> Option<Self> {
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let version = Self(text.parse().ok().filter(|_| canonical)?);
        (version <= Self::newest(event_type, upcasters)).then_some(version)
    }

    /// As a number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for EventVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A payload in the newest shape of its event.
pub(crate) fn upcast(event_type: &str, upcasters: &[Upcaster], from: EventVersion, payload: Value) -> Value {
    all(event_type, upcasters).skip(from.0 as usize - 1).fold(payload, |payload, upcast| upcast(payload))
}

/// The deadline events, 1 -> 2: they contain the assignees, and the keys of task and project. Version 1 had none of
/// these: no one is assigned, and the keys are absent.
pub(crate) fn deadline_with_assignees(mut payload: Value) -> Value {
    let fields = payload.as_object_mut().and_then(|event| event.values_mut().next()).and_then(Value::as_object_mut);
    if let Some(fields) = fields {
        fields.insert("assignee_ids".to_owned(), Value::Array(vec![]));
    }
    payload
}

/// The upcasters of an event, and those that a test adds.
fn all(
    #[cfg_attr(not(test), expect(unused_variables, reason = "only tests add upcasters by name"))] event_type: &str,
    upcasters: &[Upcaster],
) -> impl Iterator<Item = Upcaster> {
    let all = upcasters.iter().copied();
    #[cfg(test)]
    let all = all.chain(planted::of(event_type));
    all
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
