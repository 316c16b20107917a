//! Comparators of filters.

use super::context::{items, uuid};
use super::scalars::DateTime;
use async_graphql::{ID, InputObject, Result};
use domain::values::normalized;
use projections::querying::filter::{Comparator, TextComparator, TimeComparator};
use uuid::Uuid;

/// How an id is compared. Everything given must hold. On a list, `eq` and `in` mean any of its elements, `ne` and `notIn` none.
#[derive(Debug, Default, InputObject)]
#[graphql(name = "IDComparator")]
pub struct IDComparator {
    /// It is this one.
    eq: Option<ID>,
    /// It is another one, or none.
    ne: Option<ID>,
    /// It is one of these.
    #[graphql(name = "in")]
    within: Option<Vec<ID>>,
    /// It is none of these, or there is none.
    not_in: Option<Vec<ID>>,
    /// There is none (true) or some (false).
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

/// How a text is compared, in normalization form C. Case counts; texts are ordered by Unicode code point. Everything given must hold.
#[derive(Debug, Default, InputObject)]
pub struct StringComparator {
    /// It is this one.
    eq: Option<String>,
    /// It is another one, or none.
    ne: Option<String>,
    /// It is one of these.
    #[graphql(name = "in")]
    within: Option<Vec<String>>,
    /// It is none of these, or there is none.
    not_in: Option<Vec<String>>,
    /// This occurs in it.
    contains: Option<String>,
    /// It begins with this.
    starts_with: Option<String>,
    /// There is none (true) or some (false).
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

/// How a moment is compared. Everything given must hold.
#[derive(Debug, Default, InputObject)]
pub struct DateTimeComparator {
    /// Before this.
    lt: Option<DateTime>,
    /// Before this, or at it.
    lte: Option<DateTime>,
    /// After this.
    gt: Option<DateTime>,
    /// After this, or at it.
    gte: Option<DateTime>,
    /// There is none (true) or some (false).
    is_null: Option<bool>,
}

impl DateTimeComparator {
    pub(crate) fn parse(self) -> TimeComparator {
        let at = |moment: Option<DateTime>| moment.map(|moment| moment.0);
        TimeComparator { lt: at(self.lt), lte: at(self.lte), gt: at(self.gt), gte: at(self.gte), is_null: self.is_null }
    }
}
