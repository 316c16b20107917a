//! Comparators of the API as SQL. Two-valued logic: a comparison with null is false, and its negation true.

use chrono::{DateTime, Utc};
use sqlx::{Encode, Postgres, QueryBuilder, Type, postgres::PgHasArrayType};

/// How an id or an enumerated value is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparator<T> {
    pub eq: Option<T>,
    pub ne: Option<T>,
    pub within: Option<Vec<T>>,
    pub not_within: Option<Vec<T>>,
    pub is_null: Option<bool>,
}

impl<T> Default for Comparator<T> {
    fn default() -> Self {
        Self { eq: None, ne: None, within: None, not_within: None, is_null: None }
    }
}

/// How a text is compared. Case-sensitive.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextComparator {
    pub basic: Comparator<String>,
    pub contains: Option<String>,
    pub starts_with: Option<String>,
}

/// How a time is compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TimeComparator {
    pub lt: Option<DateTime<Utc>>,
    pub lte: Option<DateTime<Utc>>,
    pub gt: Option<DateTime<Utc>>,
    pub gte: Option<DateTime<Utc>>,
    pub is_null: Option<bool>,
}

/// A value that can be bound in a statement.
pub(crate) trait Bindable: Clone + Send + for<'q> Encode<'q, Postgres> + Type<Postgres> + 'static {}
impl<T: Clone + Send + for<'q> Encode<'q, Postgres> + Type<Postgres> + 'static> Bindable for T {}

/// A value that can be compared, alone and in lists.
pub(crate) trait Bound: Bindable + PgHasArrayType {}
impl<T: Bindable + PgHasArrayType> Bound for T {}

/// A conjunction being written: `true AND … AND …`.
pub(crate) struct Conditions<'q, 'a> {
    query: &'q mut QueryBuilder<'a, Postgres>,
}

impl<'q, 'a> Conditions<'q, 'a> {
    pub(crate) fn new(query: &'q mut QueryBuilder<'a, Postgres>) -> Self {
        query.push("true");
        Self { query }
    }

    /// One more condition.
    pub(crate) fn and(&mut self) -> &mut QueryBuilder<'a, Postgres> {
        self.query.push(" AND ")
    }

    /// A condition `before value after`.
    pub(crate) fn value<T: Bindable>(&mut self, before: &str, value: &T, after: &str) {
        self.and().push(before).push_bind(value.clone()).push(after);
    }

    /// Compares a nullable column of one value.
    pub(crate) fn compare<T: Bound>(&mut self, column: &str, by: &Comparator<T>) {
        by.eq.iter().for_each(|value| self.value(&format!("{column} = "), value, ""));
        by.ne.iter().for_each(|value| self.value(&format!("{column} IS DISTINCT FROM "), value, ""));
        by.within.iter().for_each(|values| self.value(&format!("{column} = ANY("), values, ")"));
        by.not_within.iter().for_each(|values| self.value(&format!("({column} = ANY("), values, ")) IS NOT TRUE"));
        self.null(column, by.is_null);
    }

    /// Compares a list column by its elements: any of them must match a positive comparator, none of them a negated
    /// one.
    pub(crate) fn compare_list<T: Bound>(&mut self, column: &str, by: &Comparator<T>) {
        // The first part is the condition of the column's partial indexes.
        by.eq.iter().for_each(|value| self.value(&format!("{column} <> '{{}}' AND {column} @> ARRAY["), value, "]"));
        by.ne.iter().for_each(|value| self.value(&format!("NOT {column} @> ARRAY["), value, "]"));
        by.within.iter().for_each(|values| self.value(&format!("{column} <> '{{}}' AND {column} && "), values, ""));
        by.not_within.iter().for_each(|values| self.value(&format!("NOT {column} && "), values, ""));
        by.is_null.iter().for_each(|empty| {
            self.and().push(format!("{column} {} '{{}}'", if *empty { "=" } else { "<>" }));
        });
    }

    /// Compares a nullable text column.
    pub(crate) fn compare_text(&mut self, column: &str, by: &TextComparator) {
        self.compare(column, &by.basic);
        by.contains.iter().for_each(|part| self.value("position(", part, &format!(" IN {column}) > 0")));
        by.starts_with.iter().for_each(|start| self.value(&format!("starts_with({column}, "), start, ")"));
    }

    /// Compares a column of a list of texts.
    pub(crate) fn compare_texts(&mut self, column: &str, by: &TextComparator) {
        self.compare_list(column, &by.basic);
        let any = format!("EXISTS (SELECT FROM unnest({column}) AS one WHERE ");
        by.contains.iter().for_each(|part| self.value(&format!("{any}position("), part, " IN one) > 0)"));
        by.starts_with.iter().for_each(|start| self.value(&format!("{any}starts_with(one, "), start, "))"));
    }

    /// Compares a nullable time column.
    pub(crate) fn compare_time(&mut self, column: &str, by: &TimeComparator) {
        by.lt.iter().for_each(|at| self.value(&format!("{column} < "), at, ""));
        by.lte.iter().for_each(|at| self.value(&format!("{column} <= "), at, ""));
        by.gt.iter().for_each(|at| self.value(&format!("{column} > "), at, ""));
        by.gte.iter().for_each(|at| self.value(&format!("{column} >= "), at, ""));
        self.null(column, by.is_null);
    }

    /// Every word occurs in one of the columns, whatever its case. The collation is explicit, since in others, such as
    /// the default of many databases, only the letters A to Z have two cases.
    pub(crate) fn words(&mut self, columns: &[&str], text: &str) {
        for word in text.split_whitespace() {
            let pattern = format!("%{}%", word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
            self.and().push("(");
            for (index, column) in columns.iter().enumerate() {
                self.query
                    .push(format!("{}{column} COLLATE \"und-x-icu\" ILIKE ", if index > 0 { " OR " } else { "" }))
                    .push_bind(pattern.clone());
            }
            self.query.push(")");
        }
    }

    fn null(&mut self, column: &str, is_null: Option<bool>) {
        is_null.iter().for_each(|is_null| {
            self.and().push(format!("{column} IS {}NULL", if *is_null { "" } else { "NOT " }));
        });
    }
}
