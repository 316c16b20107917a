//! The context of resolvers.

use super::error::{bad_input, internal, limit_exceeded, not_reached};
use super::loaders::Loaders;
use super::meter::Reader;
use super::scalars::Position;
use super::services::{Asked, Services};
use super::stored::Stored;
use crate::limits::{FILTER_ITEMS_MAX, FILTER_PARTS_MAX, PAGE_ROWS_DEFAULT};
use application::caller::{Circumstances, Source};
use application::command::Command;
use application::error::CommandError;
use application::executor::Outcome;
use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Error, ID, Lookahead, Result};
use chrono::{DateTime, Utc};
use domain::ids::WorkspaceId;
use projections::Pool;
use projections::querying::page::Window;
use std::sync::Arc;
use uuid::Uuid;

/// Shortcuts to what resolvers need.
pub(crate) trait ContextExt<'a> {
    fn services(&self) -> &'a Arc<Services>;
    fn asked(&self) -> &'a Asked;
    fn loaders(&self) -> &'a DataLoader<Loaders>;
    /// Reads lists, with rows counted.
    fn reader(&self) -> Reader;

    fn workspace(&self) -> WorkspaceId {
        self.asked().caller.workspace
    }

    fn pool(&self) -> &'a Pool {
        &self.services().pool
    }

    fn now(&self) -> DateTime<Utc> {
        self.services().application.clock().now()
    }
}

impl<'a> ContextExt<'a> for Context<'a> {
    fn services(&self) -> &'a Arc<Services> {
        self.data_unchecked()
    }

    fn asked(&self) -> &'a Asked {
        self.data_unchecked()
    }

    fn loaders(&self) -> &'a DataLoader<Loaders> {
        self.data_unchecked()
    }

    fn reader(&self) -> Reader {
        Reader::new(self.services(), self.data_unchecked())
    }
}

/// The position that a query must have reached: of its argument, or of the request's header.
pub(crate) fn wanted(ctx: &Context<'_>, argument: Option<Position>) -> i64 {
    argument.map(|position| position.0).max(ctx.asked().min_position).unwrap_or(0)
}

/// Waits, bounded, until read models have applied the event at a position.
pub(crate) async fn seen(ctx: &Context<'_>, names: &[&'static str], position: i64) -> Result<()> {
    let services = ctx.services();
    services.progress.reached(names, position, services.limits.position_wait).await.map_err(|error| not_reached(&error))
}

/// Sends a command of the caller.
pub(crate) async fn execute(ctx: &Context<'_>, command: Command) -> Result<Outcome, CommandError> {
    let asked = ctx.asked();
    let how = Circumstances {
        caller: asked.caller,
        source: Source::Client,
        at: None,
        correlation_id: asked.correlation_id,
        causation_id: None,
        traceparent: asked.traceparent.clone(),
    };
    let outcome = ctx.services().application.execute(how, command).await?;
    ctx.data_unchecked::<Arc<Stored>>().note(ctx.item.node.response_key().node.as_str(), &outcome);
    Ok(outcome)
}

/// A UUID from an id of the schema.
pub(crate) fn uuid(path: &str, id: &ID) -> Result<Uuid> {
    Uuid::parse_str(id).map_err(|_| {
        let shown: String = id.chars().take(60).collect();
        bad_input(&path.split('.').collect::<Vec<_>>(), format!("{shown:?} is not a UUID"))
    })
}

/// A UUID, if one is given.
pub(crate) fn optional_uuid(path: &str, id: Option<&ID>) -> Result<Option<Uuid>> {
    id.map(|id| uuid(path, id)).transpose()
}

/// The size of a filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FilterSize {
    /// Filters in it and itself, and words that they search for.
    pub(crate) parts: usize,
    /// Values in its lists.
    pub(crate) items: usize,
}

impl FilterSize {
    /// A filter without nested ones.
    pub(crate) fn flat(words: usize, items: impl IntoIterator<Item = usize>) -> Self {
        Self { parts: 1 + words, items: items.into_iter().sum() }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self { parts: self.parts + other.parts, items: self.items + other.items }
    }

    /// Refuses a filter that is too much: each part is a condition that every row may have to be compared with.
    pub(crate) fn check(self) -> Result<()> {
        for (limit, value, allowed) in [("filterParts", self.parts, FILTER_PARTS_MAX), ("filterItems", self.items, FILTER_ITEMS_MAX)] {
            if value > allowed {
                return Err(limit_exceeded(limit, value, allowed));
            }
        }
        Ok(())
    }
}

/// How many values a list has.
pub(crate) fn items<T>(list: &Option<Vec<T>>) -> usize {
    list.as_ref().map_or(0, Vec::len)
}

/// How many words are searched for.
pub(crate) fn words(text: Option<&String>) -> usize {
    text.map_or(0, |text| text.split_whitespace().count())
}

/// The requested page of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paging {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

impl Paging {
    /// The window on the list. The limit of rows was checked before.
    pub(crate) fn window(self, look: &Lookahead<'_>) -> Result<Window> {
        let total = look.field("totalCount").exists();
        let rows =
            |name: &str, rows: i32| usize::try_from(rows).map_err(|_| bad_input(&[name], format!("{name} is {rows}: expected 0 or more")));
        let (limit, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(bad_input(&["last"], "give first or last, not both")),
            (Some(first), None) => (rows("first", first)?, false),
            (None, Some(last)) => (rows("last", last)?, true),
            // A page that only ends somewhere is read from there, as `last` would.
            (None, None) => (PAGE_ROWS_DEFAULT, self.before.is_some() && self.after.is_none()),
        };
        Ok(Window { limit, backward, after: self.after, before: self.before, total })
    }
}

/// What a field inside a list, by `nodes` or by `edges`, is asked for.
pub(crate) fn any_node<T>(look: &Lookahead<'_>, mut asks: impl FnMut(Lookahead<'_>) -> T, or: impl Fn(T, T) -> T) -> T {
    let nodes = asks(look.field("nodes"));
    let edges = asks(look.field("edges").field("node"));
    or(nodes, edges)
}

/// An impossible state, as an error rather than a panic.
pub(crate) fn missing(what: &str) -> Error {
    internal(&std::io::Error::other(format!("{what} is missing")))
}
