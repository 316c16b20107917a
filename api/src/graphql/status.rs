//! Who asks, how the service is doing, and what an id names.

use super::context::{ContextExt, seen, uuid, wanted};
use super::error::unanswered;
use super::event::Event;
use super::project::Project;
use super::scalars::{Long, Position};
use super::schedule::{DeadlineFiring, Schedule};
use super::services::Relayed;
use super::task::{Comment, Task};
use async_graphql::{Context, ID, Interface, Object, Result, SimpleObject};
use domain::ids::{CommentId, ProjectId, ScheduleId, TaskId};
use projections::activity::find_event;
use projections::deadline_log::find_firing;
use projections::querying::node::{NodeKind, kind_of};
use projections::registry;
use projections::task_comments::find_comment;

/// An object with an ID.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "ID of the object, a UUID, unique across all types."))]
pub enum Node {
    Project(Project),
    Task(Task),
    Comment(Comment),
    Schedule(Schedule),
    DeadlineFiring(DeadlineFiring),
    Event(Event),
}

/// The caller.
#[derive(SimpleObject)]
pub struct Viewer {
    /// User ID of the token (`sub`).
    actor_id: ID,
    /// Workspace of the token; everything is scoped to it.
    workspace_id: ID,
    /// Role in the workspace: viewer, member, admin, owner or service.
    role: String,
}

/// Status of the service.
#[derive(SimpleObject)]
pub struct ServiceStatus {
    /// Position of the last event in the log.
    position: Position,
    /// The read models that serve queries. A read model that is being rebuilt because its rows belong to another log is
    /// not listed.
    projections: Vec<ProjectionStatus>,
    /// The relay to Kafka.
    relay: RelayStatus,
}

/// Status of a read model.
#[derive(SimpleObject)]
pub struct ProjectionStatus {
    /// Name of the project.
    name: String,
    /// Version of the read model that serves queries.
    version: i32,
    /// Position of the last event that the read model has applied.
    position: Position,
    /// Number of events by which the read model is behind the log.
    lag_events: Long,
}

/// Status of the relay to Kafka.
#[derive(SimpleObject)]
pub struct RelayStatus {
    /// `exactly_once`, or `off` if Kafka is not configured.
    mode: String,
    /// Position of the last event that is on Kafka. Null if unknown.
    position: Option<Position>,
    /// Number of events by which Kafka is behind the log. Null if unknown.
    lag_events: Option<Long>,
    /// Why the relay has stopped: its record on Kafka does not match the log.
    refusal: Option<String>,
}

/// Who asks, how the service is doing, and what an id names.
#[derive(Default)]
pub struct StatusQueries;

/// Who asks, how the service is doing, and what an id names.
#[Object]
impl StatusQueries {
    /// The caller.
    async fn viewer(&self, ctx: &Context<'_>) -> Viewer {
        let caller = &ctx.asked().caller;
        Viewer {
            actor_id: ID(caller.actor.to_string()),
            workspace_id: ID(caller.workspace.to_string()),
            role: caller.role.word().to_owned(),
        }
    }

    /// The object with this ID, of any type. Null if it does not exist.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the object.")] id: ID,
        #[graphql(desc = "Waits, up to a limit, until all read models have applied the event at this position.")] min_position: Option<
            Position,
        >,
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

    /// Status of the service.
    async fn service_status(&self, ctx: &Context<'_>) -> Result<ServiceStatus> {
        let services = ctx.services();
        let versions = registry::versions(&services.pool).await.map_err(unanswered)?;
        // Read after the database has answered, so that both are of the same database.
        let head = *services.application.log().head().borrow();
        // Another node may have applied more than this one knows of the log.
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
