//! Each value at its limit and one beyond, and stored values that come in by the same door.

mod due;
mod instant;
mod lists;
mod text;
mod threshold;
mod zone;

use super::{Change, CollaboratorRole, Description, InvalidValue, Priority};
use crate::testing::text;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

/// Checks that a stored value loads as this value and is stored as it was.
fn is_stored_as<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, stored: &Value) {
    assert_eq!(&serde_json::from_value::<T>(stored.clone()).expect("a stored value loads"), value);
    assert_eq!(&serde_json::to_value(value).expect("a value is JSON"), stored);
}

/// The sentence with which storage is refused.
fn refusal_of<T: DeserializeOwned + Debug>(stored: Value) -> String {
    serde_json::from_value::<T>(stored).expect_err("a bad stored value was loaded").to_string()
}

#[test]
fn the_most_urgent_priority_comes_first() {
    let mut priorities = vec![Priority::Medium, Priority::Low, Priority::Critical, Priority::High];
    priorities.sort();
    assert_eq!(priorities, [Priority::Critical, Priority::High, Priority::Medium, Priority::Low]);
    assert_eq!(Priority::default(), Priority::Medium);
}

#[test]
fn priorities_and_roles_are_stored_as_words() {
    for (priority, word) in
        [(Priority::Critical, "critical"), (Priority::High, "high"), (Priority::Medium, "medium"), (Priority::Low, "low")]
    {
        is_stored_as(&priority, &json!(word));
    }
    for (role, word) in [
        (CollaboratorRole::Viewer, "viewer"),
        (CollaboratorRole::Editor, "editor"),
        (CollaboratorRole::Manager, "manager"),
        (CollaboratorRole::Owner, "owner"),
    ] {
        is_stored_as(&role, &json!(word));
    }
    refusal_of::<Priority>(json!("urgent"));
}

#[test]
fn a_change_is_only_what_was_requested_and_differs() {
    let (old, new): (Description, Description) = (text("old"), text("new"));
    assert_eq!(Change::requested(&old, None), None);
    assert_eq!(Change::requested(&old, Some(&old)), None);
    assert_eq!(Change::requested(&old, Some(&new)), Some(Change { from: old.clone(), to: new.clone() }));
}

#[test]
fn a_refused_value_says_why_and_nothing_else() {
    assert_eq!(InvalidValue::new("no").to_string(), "no");
    assert_eq!(InvalidValue::new("no").code, "INVALID_VALUE");
    assert_eq!(InvalidValue::too_many("TOO_MANY_HATS", "no").code, "TOO_MANY_HATS");
}
