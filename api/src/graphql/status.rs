//! Who asks, how the service is doing, and what an id names.

use super::context::{ContextExt, Relayed, seen, uuid, wanted};
use super::error::unanswered;
use super::event::Event;
use super::project::Project;
use super::scalars::{Long, Position};
use super::schedule::{DeadlineFiring, Schedule};
use super::task::{Comment, Task};
use async_graphql::{Context, ID, Interface, Object, Result, SimpleObject};
use domain::ids::{CommentId, ProjectId, ScheduleId, TaskId};
use projections::activity::find_event;
use projections::deadline_log::find_firing;
use projections::querying::node::{NodeKind, kind_of};
use projections::registry;
use projections::task_comments::find_comment;

/// Anything that has an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Its id, a UUID, unique across all kinds of things."))]
pub enum Node {
    Project(Project),
    Task(Task),
    Comment(Comment),
    Schedule(Schedule),
    DeadlineFiring(DeadlineFiring),
    Event(Event),
}

/// Who is asking.
#[derive(SimpleObject)]
pub struct Viewer {
    /// The actor of the token.
    actor_id: ID,
    /// The workspace of the token: everything is asked of it.
    workspace_id: ID,
    /// The role in that workspace: viewer, member, admin, owner or service.
    role: String,
}

/// How the service is doing.
#[derive(SimpleObject)]
pub struct ServiceStatus {
    /// Where the log ends.
    position: Position,
    /// The read models of which a version answers queries. One that is being built anew, since its rows were of another log, is left out.
    projections: Vec<ProjectionStatus>,
    /// The way to Kafka.
    relay: RelayStatus,
}

/// How a read model is doing.
#[derive(SimpleObject)]
pub struct ProjectionStatus {
    /// Its name.
    name: String,
    /// The version that answers queries.
    version: i32,
    /// Every event up to here is in it.
    position: Position,
    /// How many events it is behind the log.
    lag_events: Long,
}

/// How the way to Kafka is doing.
#[derive(SimpleObject)]
pub struct RelayStatus {
    /// `exactly_once`, or `off` where Kafka is not configured.
    mode: String,
    /// Every event up to here is on Kafka. Null where that is not known.
    position: Option<Position>,
    /// How many events it is behind the log. Null where that is not known.
    lag_events: Option<Long>,
    /// Why nothing is sent, where the relay refuses to because its record on Kafka and the log do not agree.
    refusal: Option<String>,
}

/// Who asks, how the service is doing, and what an id names.
#[derive(Default)]
pub struct StatusQueries;

/// Who asks, how the service is doing, and what an id names.
#[Object]
impl StatusQueries {
    /// Who is asking.
    async fn viewer(&self, ctx: &Context<'_>) -> Viewer {
        let caller = &ctx.asked().caller;
        Viewer {
            actor_id: ID(caller.actor.to_string()),
            workspace_id: ID(caller.workspace.to_string()),
            role: caller.role.word().to_owned(),
        }
    }

    /// The thing with an id, whatever it is. Null if there is none.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
        #[graphql(desc = "Waits, bounded, until all read models have seen this position.")] min_position: Option<Position>,
    ) -> Result<Option<Node>> {
        let id = uuid("id", &id)?;
        let (pool, workspace, position) = (ctx.pool(), ctx.workspace(), wanted(ctx, min_position));
        let all: Vec<_> = ctx.services().progress.all().into_iter().map(|(name, _)| name).collect();
        seen(ctx, &all, position).await?;
        Ok(match kind_of(pool, workspace, id).await.map_err(unanswered)? {
            Some(NodeKind::Project) => Project::load(ctx, ProjectId(id), position).await?.map(Node::Project),
            Some(NodeKind::Task) => Task::load(ctx, TaskId(id), position).await?.map(Node::Task),
            Some(NodeKind::Schedule) => {
                let row = ctx.loaders().load_one(ScheduleId(id)).await?;
                row.map(|row| Node::Schedule(Schedule::of_row(row, position)))
            }
            Some(NodeKind::Comment) => {
                find_comment(pool, workspace, CommentId(id)).await.map_err(unanswered)?.map(|row| Node::Comment(Comment { row }))
            }
            Some(NodeKind::Firing) => {
                let row = find_firing(pool, workspace, id).await.map_err(unanswered)?;
                row.map(|row| Node::DeadlineFiring(DeadlineFiring { row, schedule: None, seen: position }))
            }
            Some(NodeKind::Event) => find_event(pool, workspace, id).await.map_err(unanswered)?.map(|row| Node::Event(Event { row })),
            None => None,
        })
    }

    /// How the service is doing.
    async fn service_status(&self, ctx: &Context<'_>) -> Result<ServiceStatus> {
        let services = ctx.services();
        let versions = registry::versions(&services.pool).await.map_err(unanswered)?;
        // Read after the database has answered, so that it is known by the same database.
        let head = *services.application.log().head().borrow();
        // What another node has taken in may be ahead of what this one has heard of the log.
        let lag = |position: i64| Long((head - position).max(0));
        // One that is not of this log answers no query, and how far it is behind this log is unknown.
        let answers = |version: &registry::Version| version.state == registry::VersionState::Live && version.of_this_log;
        let live = versions.into_iter().filter(answers);
        // A position may be known here a moment before it is written.
        let known = services.progress.all();
        let projections = live
            .map(|live| {
                let ours = known.iter().find(|(name, _)| *name == live.name).and_then(|(_, position)| *position);
                let position = ours.map_or(live.position, |ours| live.position.max(ours));
                ProjectionStatus { name: live.name, version: live.version, position: Position(position), lag_events: lag(position) }
            })
            .collect();
        let Relayed { position, refusal } = services.relay.relayed().await;
        let relay = RelayStatus {
            mode: services.relay.mode().to_owned(),
            position: position.map(Position),
            lag_events: position.map(|position| Long(head - position)),
            refusal,
        };
        Ok(ServiceStatus { position: Position(head), projections, relay })
    }
}
