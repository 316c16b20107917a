//! Events in the schema: the log itself, and the history of one thing.

use crate::graphql::comparators::DateTimeComparator;
use crate::graphql::connection::PageInfo;
use crate::graphql::context::{ContextExt, FilterSize, Paging, items, optional_uuid, seen, uuid, wanted};
use crate::graphql::error::{not_reached, unanswered};
use crate::graphql::scalars::{DateTime, Json, Position, version};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use projections::activity::{Activity, EventFilter as Filter, EventPage, EventRow, history, list_events};
use projections::model::ReadModel;
use projections::running::progress::NotReached;

/// An event of the log. The cursor of an event is its position.
#[derive(Clone)]
pub struct Event {
    pub(crate) row: EventRow,
}

/// An event of the log. The cursor of an event is its position.
#[Object]
impl Event {
    /// ID of the event, a UUID; `event_id` on Kafka.
    pub(crate) async fn id(&self) -> ID {
        ID(self.row.event_id.to_string())
    }

    /// Position of the event in the log, which orders all events.
    async fn position(&self) -> Position {
        Position(self.row.position)
    }

    /// Type of the event, such as `task_created`.
    #[graphql(name = "type")]
    async fn event_type(&self) -> &str {
        &self.row.event_type
    }

    /// Type of the aggregate: `project`, `task` or `schedule`.
    async fn aggregate_type(&self) -> &str {
        &self.row.aggregate_type
    }

    /// The aggregate that the event belongs to.
    async fn aggregate_id(&self) -> ID {
        ID(self.row.aggregate_id.to_string())
    }

    /// Version of the aggregate after the event.
    async fn aggregate_version(&self) -> i32 {
        version(self.row.version)
    }

    /// When the event occurred.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.row.metadata.occurred_at.utc())
    }

    /// When the event was stored. Never decreases with increasing position.
    async fn recorded_at(&self) -> DateTime {
        DateTime(self.row.recorded_at)
    }

    /// The user or service that caused the event.
    async fn actor(&self) -> ID {
        ID(self.row.metadata.actor.to_string())
    }

    /// Shared by all events of one request or process.
    async fn correlation_id(&self) -> ID {
        ID(self.row.metadata.correlation_id.to_string())
    }

    /// The event that caused this one, if any.
    async fn causation_id(&self) -> Option<ID> {
        self.row.metadata.causation_id.map(|id| ID(id.to_string()))
    }

    /// ID of the command that caused the event, if the command had one.
    async fn command_id(&self) -> Option<ID> {
        self.row.metadata.command_id.map(|id| ID(id.to_string()))
    }

    /// Human-readable summary of the event, without the actor.
    async fn summary(&self) -> &str {
        &self.row.summary
    }

    /// Fields of the event, which depend on its type.
    async fn data(&self) -> Json {
        Json(match &self.row.recorded {
            Ok(recorded) => serde_json::to_value(messages::data(recorded)).expect("messages hold nothing that JSON cannot hold"),
            Err(stored) => stored.clone(),
        })
    }
}

/// A page of events.
pub struct EventConnection {
    edges: Vec<EventEdge>,
    page_info: PageInfo,
}

/// An item of a page of events.
#[derive(SimpleObject)]
pub struct EventEdge {
    /// The event.
    node: Event,
    /// Position of the event, for `after`.
    cursor: String,
}

/// A page of events.
#[Object]
impl EventConnection {
    /// The events with their cursors.
    async fn edges(&self) -> &Vec<EventEdge> {
        &self.edges
    }

    /// The events.
    async fn nodes(&self) -> Vec<&Event> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Position of the page in the list.
    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }
}

impl EventConnection {
    fn of(page: EventPage, after: i64) -> Self {
        let edge = |row: EventRow| EventEdge { cursor: row.position.to_string(), node: Event { row } };
        let edges: Vec<_> = page.rows.into_iter().map(edge).collect();
        let page_info = PageInfo {
            has_next_page: page.has_next,
            has_previous_page: after > 0,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        };
        Self { edges, page_info }
    }
}

/// Filter for events. All given conditions must hold.
#[derive(Debug, Default, InputObject)]
pub struct EventFilter {
    /// Events of these types, such as `task_created`.
    #[graphql(name = "type")]
    types: Option<Vec<String>>,
    /// Events of aggregates of these types: `project`, `task`, `schedule`.
    aggregate_type: Option<Vec<String>>,
    /// Events of this aggregate.
    aggregate_id: Option<ID>,
    /// Events caused by this actor.
    actor: Option<ID>,
    /// When the event was stored.
    recorded_at: Option<DateTimeComparator>,
}

impl EventFilter {
    fn size(&self) -> FilterSize {
        FilterSize::flat(0, [items(&self.types), items(&self.aggregate_type)])
    }

    /// The filter, unless it is too much or wrong.
    pub(crate) fn checked(self) -> Result<Filter> {
        self.size().check()?;
        self.parse()
    }

    fn parse(self) -> Result<Filter> {
        Ok(Filter {
            types: self.types,
            aggregate_types: self.aggregate_type,
            aggregate_id: optional_uuid("filter.aggregateId", self.aggregate_id.as_ref())?,
            actor: optional_uuid("filter.actor", self.actor.as_ref())?,
            recorded_at: self.recorded_at.map(DateTimeComparator::parse).unwrap_or_default(),
        })
    }
}

/// Queries on events.
#[derive(Default)]
pub struct EventQueries;

/// Queries on events.
#[Object]
impl EventQueries {
    /// The events of the workspace, in order. They are read from the log, so they are never stale.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only events after this position.")] after: Option<Position>,
        #[graphql(desc = "Maximum number of events.")] first: Option<i32>,
        #[graphql(desc = "Filter.")] filter: Option<EventFilter>,
        #[graphql(desc = "Waits, up to a limit, until the log has reached this position.")] min_position: Option<Position>,
    ) -> Result<EventConnection> {
        let window = Paging { first, ..Paging::default() }.window(&ctx.look_ahead())?;
        let filter = filter.unwrap_or_default().checked()?;
        let (wanted, services) = (wanted(ctx, min_position), ctx.services());
        let mut head = services.application.log().head();
        let reached = tokio::time::timeout(services.limits.position_wait, head.wait_for(|head| *head >= wanted)).await.is_ok();
        if !reached {
            let reached = *head.borrow();
            return Err(not_reached(&NotReached { name: "the log", reached: Some(reached), wanted }));
        }
        let after = after.map_or(0, |position| position.0);
        let page = list_events(&ctx.reader(), Some(ctx.workspace()), &filter, after, window.limit).await.map_err(unanswered)?;
        Ok(EventConnection::of(page, after))
    }

    /// The events of one project, task or schedule, oldest first.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the aggregate.")] subject_id: ID,
        #[graphql(desc = "Only events after this position.")] after: Option<Position>,
        #[graphql(desc = "Maximum number of events.")] first: Option<i32>,
        #[graphql(desc = "Waits, up to a limit, until the read models in use have applied the event at this position.")]
        min_position: Option<Position>,
    ) -> Result<EventConnection> {
        let window = Paging { first, ..Paging::default() }.window(&ctx.look_ahead())?;
        let subject = uuid("subjectId", &subject_id)?;
        seen(ctx, &[Activity::NAME], wanted(ctx, min_position)).await?;
        let after = after.map_or(0, |position| position.0);
        let page = history(&ctx.reader(), ctx.workspace(), subject, after, window.limit).await.map_err(unanswered)?;
        Ok(EventConnection::of(page, after))
    }
}
