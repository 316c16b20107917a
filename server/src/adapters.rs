//! Where parts that do not know each other meet.

use crate::standstill::{STANDSTILL, Standstills};
use api::graphql::{RelayWatch, Relayed};
use api::http::Health;
use application::notices::{Notice, NoticeName};
use application::ports::{Deadlines, DueSchedule, EventLog, LogError};
use application::reactions;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::event::Fact;
use domain::ids::ScheduleId;
use futures::future::BoxFuture;
use infrastructure::checkpoints;
use infrastructure::event_store::PostgresEventLog;
use infrastructure::kafka::relay::{RelayState, Trouble, known};
use infrastructure::leases::{LEASE_LASTS, RefusalCause, WritesRefused};
use infrastructure::postgres::{STATEMENT_WITHIN, place};
use metrics_exporter_prometheus::PrometheusHandle;
use projections::Pool;
use projections::model::ReadModel;
use projections::querying::error::QueryError;
use projections::registry::{self, Fit, VersionState};
use projections::runner::Projection;
use projections::running::log::{Log, ReadError, Stretch};
use projections::running::progress::Progress;
use projections::schedules::{Schedules, due_now, next_fire_after};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The event log, as read models read it.
pub struct ProjectionLog(pub Arc<PostgresEventLog>);

#[async_trait]
impl Log for ProjectionLog {
    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Arc<Fact>>, ReadError> {
        EventLog::after(&*self.0, position, limit).await.map_err(|error| Arc::new(error) as ReadError)
    }

    async fn after_of_types(&self, position: i64, until: i64, types: &[&'static str], limit: usize) -> Result<Stretch, ReadError> {
        let read = self.0.after_of_types(position, until, types, limit).await;
        read.map(|(facts, to)| Stretch { facts, to }).map_err(|error| Arc::new(error) as ReadError)
    }

    fn head(&self) -> watch::Receiver<i64> {
        EventLog::head(&*self.0)
    }

    fn generation(&self) -> watch::Receiver<u64> {
        EventLog::generation(&*self.0)
    }
}

/// The read model of schedules, as the scheduler reads it.
pub struct ScheduleDeadlines {
    pub pool: Pool,
    pub progress: Arc<Progress>,
}

/// Timeout of queries of the read model of schedules.
const DEADLINES_WITHIN: Duration = STATEMENT_WITHIN;

/// The answer of the read model. While it is being built the answer is empty; its position moves once it is live.
async fn answer_of<T: Default>(answer: impl Future<Output = Result<T, QueryError>>) -> Result<T, LogError> {
    let late = || LogError::Unreachable(Arc::new(std::io::Error::from(std::io::ErrorKind::TimedOut)));
    match tokio::time::timeout(DEADLINES_WITHIN, answer).await.map_err(|_| late())? {
        Err(QueryError::Building(_)) => Ok(T::default()),
        answer => answer.map_err(|error| LogError::Unreachable(Arc::new(error))),
    }
}

#[async_trait]
impl Deadlines for ScheduleDeadlines {
    async fn next_fire_after(&self, moment: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LogError> {
        answer_of(next_fire_after(&self.pool, moment)).await
    }

    async fn due(&self, until: DateTime<Utc>, after: Option<DueSchedule>, limit: i64) -> Result<Vec<DueSchedule>, LogError> {
        let after = after.map(|after| (after.fire_at, ScheduleId(after.id)));
        let due = answer_of(due_now(&self.pool, until, after, limit)).await?;
        let schedule = |due: projections::schedules::DueNow| DueSchedule {
            id: due.id.0,
            workspace: due.workspace_id,
            version: due.version,
            due_revision: i64::from(due.due_revision),
            fire_at: due.fire_at,
        };
        Ok(due.into_iter().map(schedule).collect())
    }

    fn position(&self) -> watch::Receiver<Option<i64>> {
        self.progress.watch(Schedules::NAME).expect("the read model of schedules is one of those that are followed")
    }
}

/// The progress of the relay, on any node: it stores its position in the database.
pub struct RelayProgress {
    pub pool: Pool,
    pub configured: bool,
}

impl RelayWatch for RelayProgress {
    fn mode(&self) -> &'static str {
        if self.configured { "exactly_once" } else { "off" }
    }

    fn relayed(&self) -> BoxFuture<'_, Relayed> {
        Box::pin(async {
            if !self.configured {
                return Relayed::default();
            }
            match known(&self.pool).await {
                // Before the relay has reached Kafka for the first time, every event is unsent.
                Ok(None) => Relayed { position: Some(0), refusal: None },
                Ok(Some(known)) if known.refusal.is_none() => Relayed { position: Some(known.position), refusal: None },
                Ok(Some(known)) => Relayed { position: None, refusal: known.refusal },
                Err(_) => Relayed::default(),
            }
        })
    }
}

/// The health of this node.
pub struct NodeHealth {
    pub pool: Pool,
    pub log: Arc<PostgresEventLog>,
    pub metrics: &'static PrometheusHandle,
    pub relay: Option<watch::Receiver<RelayState>>,
    /// The problem that blocks each reaction on this node.
    pub reactions: Vec<(&'static str, watch::Receiver<reactions::Problem>)>,
    /// The notice of the scheduler of this node.
    pub scheduler: watch::Receiver<Option<Notice>>,
    /// The notices about topics of the node that relays.
    pub topics: watch::Receiver<Vec<Notice>>,
    pub standstills: Standstills,
    /// Whether the database accepts writes, which this node tries every second.
    pub writes_refused: watch::Receiver<Option<WritesRefused>>,
    /// True once the node is shutting down: load balancers should stop sending requests.
    pub stopping: watch::Receiver<bool>,
}

/// Timeout after which the database counts as unavailable.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a node on a database that can be read, and accepts no writes, is of no use.
fn no_writes(refused: &WritesRefused) -> Option<Notice> {
    let seconds = refused.since.elapsed().as_secs();
    let read_only = |why: &str| Notice::new(NoticeName::DatabaseReadOnly, format!("PostgreSQL does not accept writes: {why}"));
    match &refused.cause {
        RefusalCause::Standby => {
            Some(read_only("the server is a standby in recovery; name its primary in DATABASE_URL, or promote it with pg_promote()"))
        }
        RefusalCause::ReadOnly => Some(read_only(
            "default_transaction_read_only is on; turn it off where it was set: for the server, the database, or the login of DATABASE_URL",
        )),
        // A write that timed out may succeed next time; this node holds its leases until then.
        RefusalCause::Other(_) if refused.since.elapsed() < LEASE_LASTS => None,
        RefusalCause::Other(why) => Some(Notice::new(
            NoticeName::LeasesNotRenewed,
            format!(
                "PostgreSQL has accepted no statement about this node's leases for {seconds} s: {why}; until the cause is removed, this \
                     node does no background work"
            ),
        )),
    }
}

/// Read models that this node's program must build before it can serve: load balancers should wait.
fn to_build(versions: &[registry::Version], head: i64) -> Vec<Notice> {
    let waits = |projection: &Arc<dyn Projection>| matches!(projection.fit(versions), Fit::ToBuild);
    let sentence = |projection: Arc<dyn Projection>| {
        let (name, shape) = (projection.name(), projection.shape());
        let mine = |version: &&registry::Version| version.name == name && version.shape == shape && version.state == VersionState::Building;
        let position = versions.iter().find(mine).map_or(0, |version| version.position);
        let message = format!(
            "the read model {name} is being built for this program: position {position} of {head}; this node serves once it is there"
        );
        Notice::new(NoticeName::ReadModelBuilding, message)
    };
    projections::runner::all().into_iter().filter(waits).map(sentence).collect()
}

impl NodeHealth {
    /// The notice that the database is unusable.
    fn unreachable(&self, why: &str) -> Notice {
        let place = place(&self.pool.connect_options());
        let fix = "start it, or correct DATABASE_URL or the network; this node continues when it answers";
        Notice::new(NoticeName::DatabaseUnreachable, format!("PostgreSQL at {place} {why}; {fix}"))
    }

    /// Reactions that wait on this node, and those that are stuck on any node.
    async fn stuck_reactions(&self) -> Vec<Notice> {
        let mut stuck = vec![];
        for (name, problem) in &self.reactions {
            if let Some(problem) = problem.borrow().clone() {
                let message = format!("the reaction {name} is waiting and continues when this is over: {problem}");
                stuck.push(Notice::new(NoticeName::ReactionStuck, message));
                continue;
            }
            let position = tokio::time::timeout(DATABASE_TIMEOUT, registry::checkpoint(&self.pool, name)).await;
            let Ok(Ok(position)) = position else { continue };
            let (position, head) = (position.unwrap_or(0), *EventLog::head(&*self.log).borrow());
            let stuck_for = self.standstills.at(&format!("reaction {name}"), position, head);
            if stuck_for >= STANDSTILL {
                let message = format!(
                    "the reaction {name} has been at position {position} for {} s, {} events behind the log; see the log of the node \
                         that runs it",
                    stuck_for.as_secs(),
                    head - position
                );
                stuck.push(Notice::new(NoticeName::ReactionStuck, message));
            }
        }
        stuck
    }
}

impl Health for NodeHealth {
    fn problems(&self) -> BoxFuture<'_, Vec<Notice>> {
        Box::pin(async {
            let mut problems = vec![];
            if *self.stopping.borrow() {
                problems.push(Notice::new(NoticeName::Stopping, "this node is shutting down"));
            }
            match tokio::time::timeout(DATABASE_TIMEOUT, registry::versions(&self.pool)).await {
                Err(_) => problems.push(self.unreachable(&format!("does not answer within {} s", DATABASE_TIMEOUT.as_secs()))),
                Ok(Err(error)) => problems.push(self.unreachable(&format!("cannot be read: {error}"))),
                Ok(Ok(versions)) => {
                    let head = *EventLog::head(&*self.log).borrow();
                    problems.extend(self.writes_refused.borrow().as_ref().and_then(no_writes));
                    problems.extend(to_build(&versions, head));
                    for live in versions.iter().filter(|version| version.state == VersionState::Live) {
                        let stuck_for = self.standstills.at(&live.name, live.position, head);
                        if stuck_for >= STANDSTILL {
                            let message = format!(
                                "the read model {} has been at position {} for {} s, {} events behind the log; see the log of the node \
                                    that maintains it",
                                live.name,
                                live.position,
                                stuck_for.as_secs(),
                                head - live.position
                            );
                            problems.push(Notice::new(NoticeName::ReadModelStuck, message));
                        }
                    }
                }
            }
            problems
        })
    }

    fn notices(&self) -> BoxFuture<'_, Vec<Notice>> {
        Box::pin(async {
            let mut notices = vec![];
            // Each has its limit of time; one after the other, they would take as long as all limits together.
            let versions = tokio::time::timeout(DATABASE_TIMEOUT, registry::versions(&self.pool));
            let (trouble, stuck_reactions, versions) = tokio::join!(self.log.trouble(), self.stuck_reactions(), versions);
            if let Some(trouble) = trouble {
                notices.push(Notice::new(NoticeName::AppendsRefused, format!("the database does not accept events: {trouble}")));
            }
            let trouble = self.relay.as_ref().and_then(|relay| relay.borrow().trouble.clone());
            notices.extend(trouble.map(|trouble| match trouble {
                Trouble::Stuck(reason) => Notice::new(NoticeName::RelayStuck, format!("the relay to Kafka is stuck: {reason}")),
                Trouble::Refuses(refusal) => Notice::new(NoticeName::RelayRefuses, format!("the relay to Kafka has stopped: {refusal}")),
                Trouble::StoppedBefore { sentence, .. } => {
                    Notice::new(NoticeName::RelayStopped, format!("the relay to Kafka is stopped: {sentence}"))
                }
            }));
            notices.extend(stuck_reactions);
            notices.extend(self.scheduler.borrow().clone());
            if let Some(went_back) = self.log.went_back() {
                notices.push(Notice::new(NoticeName::LogWentBack, went_back.to_string()));
            }
            notices.extend(self.topics.borrow().iter().cloned());
            if let Ok(Ok(versions)) = versions {
                for live in versions.iter().filter(|version| version.state == VersionState::Live && !version.of_this_log) {
                    let message = format!(
                        "version {} of the read model {} is at position {}, where the log has another event or none; it is dropped and \
                            rebuilt",
                        live.version, live.name, live.position
                    );
                    notices.push(Notice::new(NoticeName::ReadModelOfOtherLog, message));
                }
                for projection in projections::runner::all() {
                    if let Fit::NotOurs(live) = projection.fit(&versions) {
                        let message = format!(
                            "version {} of the read model {} was built by other rules than this node's; run a node of that program, or `milepost projections rebuild {}`",
                            live.version, live.name, live.name
                        );
                        notices.push(Notice::new(NoticeName::ReadModelOfOtherRules, message));
                    }
                }
                if let Ok(Ok(parked)) = tokio::time::timeout(DATABASE_TIMEOUT, checkpoints::parked_counts(&self.pool)).await {
                    notices.extend(parked.into_iter().map(|(name, events)| {
                        let see = "`milepost dead-letters list --source reactions` shows why";
                        Notice::new(NoticeName::ReactionEventsParked, format!("{events} events of the reaction {name} are parked; {see}"))
                    }));
                }
                let parked = |version: &&registry::Version| version.state != VersionState::Old && version.dead_letters > 0;
                for version in versions.iter().filter(parked) {
                    let see = "`milepost dead-letters list --source projections` shows why";
                    let message = format!("{} events of the read model {} are parked; {see}", version.dead_letters, version.name);
                    notices.push(Notice::new(NoticeName::ReadModelEventsParked, message));
                }
            }
            notices
        })
    }

    fn metrics(&self) -> String {
        metrics::gauge!("milepost_log_position_events").set(*EventLog::head(&*self.log).borrow() as f64);
        self.metrics.render()
    }
}

/// Exports the current notices as metrics.
pub async fn show_notices(health: &dyn Health) {
    let mut there = health.problems().await;
    there.extend(health.notices().await);
    for name in NoticeName::ALL {
        let count = there.iter().filter(|notice| notice.name == *name).count();
        metrics::gauge!("milepost_notice", "name" => name.word()).set(count as f64);
    }
}
