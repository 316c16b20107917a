//! Comparators of filters.

use super::context::{items, uuid};
use super::scalars::DateTime;
use async_graphql::{ID, InputObject, Result};
use domain::values::normalized;
use projections::querying::filter::{Comparator, TextComparator, TimeComparator};
use uuid::Uuid;

/// Conditions on an ID. All given conditions must hold. For a list, `eq` and `in` match if any element does, `ne` and
/// `notIn` if no element does.
#[derive(Debug, Default, InputObject)]
#[graphql(name = "IDComparator")]
pub struct IDComparator {
    /// Equals this value.
    eq: Option<ID>,
    /// Differs from this value, or is null.
    ne: Option<ID>,
    /// Equals one of these values.
    #[graphql(name = "in")]
    within: Option<Vec<ID>>,
    /// Equals none of these values, or is null.
    not_in: Option<Vec<ID>>,
    /// Whether the value is null.
    is_null: Option<bool>,
}

impl IDComparator {
    /// How many values its lists have.
    pub(crate) fn items(given: &Option<Self>) -> usize {
        given.as_ref().map_or(0, |by| items(&by.within) + items(&by.not_in))
    }

    /// The comparison, if one is given.
    pub(crate) fn parse(given: Option<Self>, path: &str) -> Result<Comparator<Uuid>> {
        let Some(given) = given else { return Ok(Comparator::default()) };
        let one = |name: &str, id: Option<ID>| id.map(|id| uuid(&format!("{path}.{name}"), &id)).transpose();
        let many = |name: &str, ids: Option<Vec<ID>>| {
            ids.map(|ids| ids.iter().map(|id| uuid(&format!("{path}.{name}"), id)).collect::<Result<Vec<_>>>()).transpose()
        };
        Ok(Comparator {
            eq: one("eq", given.eq)?,
            ne: one("ne", given.ne)?,
            within: many("in", given.within)?,
            not_within: many("notIn", given.not_in)?,
            is_null: given.is_null,
        })
    }
}

/// Conditions on a text, in Unicode normalization form C. Comparison is case-sensitive and by code point. All given
/// conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct StringComparator {
    /// Equals this value.
    eq: Option<String>,
    /// Differs from this value, or is null.
    ne: Option<String>,
    /// Equals one of these values.
    #[graphql(name = "in")]
    within: Option<Vec<String>>,
    /// Equals none of these values, or is null.
    not_in: Option<Vec<String>>,
    /// Contains this text.
    contains: Option<String>,
    /// Starts with this text.
    starts_with: Option<String>,
    /// Whether the value is null.
    is_null: Option<bool>,
}

impl StringComparator {
    /// How many values its lists have.
    pub(crate) fn items(given: &Option<Self>) -> usize {
        given.as_ref().map_or(0, |by| items(&by.within) + items(&by.not_in))
    }

    /// The comparison, of texts as they are stored: in normalization form C.
    pub(crate) fn parse(self) -> TextComparator {
        let one = |text: Option<String>| text.map(normalized);
        let many = |texts: Option<Vec<String>>| texts.map(|texts| texts.into_iter().map(normalized).collect());
        let basic = Comparator {
            eq: one(self.eq),
            ne: one(self.ne),
            within: many(self.within),
            not_within: many(self.not_in),
            is_null: self.is_null,
        };
        TextComparator { basic, contains: one(self.contains), starts_with: one(self.starts_with) }
    }
}

/// Conditions on an instant. All given conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct DateTimeComparator {
    /// Earlier than this instant.
    lt: Option<DateTime>,
    /// This instant or earlier.
    lte: Option<DateTime>,
    /// Later than this instant.
    gt: Option<DateTime>,
    /// This instant or later.
    gte: Option<DateTime>,
    /// Whether the value is null.
    is_null: Option<bool>,
}

impl DateTimeComparator {
    pub(crate) fn parse(self) -> TimeComparator {
        let at = |moment: Option<DateTime>| moment.map(|moment| moment.0);
        TimeComparator { lt: at(self.lt), lte: at(self.lte), gt: at(self.gt), gte: at(self.gte), is_null: self.is_null }
    }
}
