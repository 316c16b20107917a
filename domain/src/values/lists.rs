//! Lists with a bound and without doubles.

use super::{InvalidValue, Tag};
use crate::ids::UserId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most tags on one task.
pub const TAGS_MAX: usize = 50;
/// Most people assigned to one task.
pub const ASSIGNEES_MAX: usize = 50;

/// The tags of a task, in alphabetical order, so that the same tags are the same value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Tag>", into = "Vec<Tag>")]
pub struct Tags(BTreeSet<Tag>);

impl Tags {
    /// Drops doubles and checks the bound.
    pub fn new(tags: impl IntoIterator<Item = Tag>) -> Result<Self, InvalidValue> {
        let tags: BTreeSet<Tag> = tags.into_iter().collect();
        match tags.len() {
            n if n > TAGS_MAX => Err(InvalidValue::too_many("TOO_MANY_TAGS", format!("a task can have at most {TAGS_MAX} tags; got {n}"))),
            _ => Ok(Self(tags)),
        }
    }

    /// The tags in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }
}

impl TryFrom<Vec<Tag>> for Tags {
    type Error = InvalidValue;
    fn try_from(tags: Vec<Tag>) -> Result<Self, InvalidValue> {
        Self::new(tags)
    }
}

impl From<Tags> for Vec<Tag> {
    fn from(tags: Tags) -> Vec<Tag> {
        tags.0.into_iter().collect()
    }
}

/// The people assigned to a task, in the order in which they were assigned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<UserId>", into = "Vec<UserId>")]
pub struct Assignees(Vec<UserId>);

impl Assignees {
    /// Drops doubles and checks the bound.
    pub fn new(people: impl IntoIterator<Item = UserId>) -> Result<Self, InvalidValue> {
        let mut assignees = Self::default();
        let people: Vec<UserId> = people.into_iter().collect();
        for person in &people {
            if !assignees.contains(*person) {
                assignees = assignees.with(*person)?;
            }
        }
        Ok(assignees)
    }

    /// These and one more.
    pub fn with(mut self, person: UserId) -> Result<Self, InvalidValue> {
        if self.is_full() {
            return Err(InvalidValue::too_many("TOO_MANY_ASSIGNEES", format!("a task can have at most {ASSIGNEES_MAX} assignees")));
        }
        self.0.push(person);
        Ok(self)
    }

    /// These and one more, without checking the current limit.
    #[must_use]
    pub fn with_stored(mut self, person: UserId) -> Self {
        if !self.contains(person) {
            self.0.push(person);
        }
        self
    }

    /// These without one.
    #[must_use]
    pub fn without(mut self, person: UserId) -> Self {
        self.0.retain(|p| *p != person);
        self
    }

    /// Whether a user is among them.
    pub fn contains(&self, person: UserId) -> bool {
        self.0.contains(&person)
    }

    /// Whether one more is allowed.
    pub fn is_full(&self) -> bool {
        self.0.len() >= ASSIGNEES_MAX
    }

    /// The people in order.
    pub fn iter(&self) -> impl Iterator<Item = UserId> {
        self.0.iter().copied()
    }
}

impl TryFrom<Vec<UserId>> for Assignees {
    type Error = InvalidValue;
    fn try_from(people: Vec<UserId>) -> Result<Self, InvalidValue> {
        Self::new(people)
    }
}

impl From<Assignees> for Vec<UserId> {
    fn from(people: Assignees) -> Vec<UserId> {
        people.0
    }
}
