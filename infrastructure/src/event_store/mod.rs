//! The event log on PostgreSQL.

mod appender;
mod batch;
#[doc(hidden)]
pub mod bench;
mod reads;
mod rows;
mod signal;
mod tail;
mod tangle;
mod trial;
mod trouble;

pub use appender::{BATCH_BYTES_MAX, BATCH_UNITS_MAX, QUEUE_BYTES_MAX, QUEUE_UNITS_MAX, RESEND_FOR, STATEMENT_TIMEOUT};
pub use reads::READ_BYTES_MAX;
pub use signal::LOOK_PAUSE;
pub use tail::{TAIL_BYTES_MAX, TAIL_FACTS_MAX};

use crate::postgres::{Database, Known, WORKER_ROLE, WentBack, log_error, options_for, within};
use appender::Appender;
use application::ports::{Appended, Claim, CommandKey, EventLog, LogError, RecordedStep, Settled, Step, Unit};
use async_trait::async_trait;
use batch::EncodedUnit;
use domain::event::{AggregateType, Fact, Recorded};
use domain::ids::WorkspaceId;
use reads::Which;
use sqlx::Row;
use std::sync::{Arc, Mutex, PoisonError};
use tail::Tail;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use trial::Trial;
use uuid::Uuid;

/// Most events of one aggregate that are read at once, if they do not come to [`READ_BYTES_MAX`] before.
pub const STEP_EVENTS_MAX: usize = 4_096;

/// What part of the connections histories may take: appends, leases, reactions and other commands need some at the same time.
pub const HISTORIES_SHARE: u32 = 3;

/// The log: appends through one appender per node, reads through the pool.
pub struct PostgresEventLog {
    database: Database,
    appender: Mutex<Option<Arc<Appender>>>,
    tail: Arc<Tail>,
    trial: Trial,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl PostgresEventLog {
    /// Opens the log and starts its appender and its ear for other nodes.
    pub async fn open(database: Database) -> Result<Self, LogError> {
        let known = Arc::clone(&database.known);
        known.look(&database.worker, WORKER_ROLE).await?;
        // So that the metric is there before it is ever needed.
        metrics::counter!("milepost_database_renewals_total").increment(0);
        let tail = Arc::new(Tail::new(Arc::clone(&known)));
        let (appender, appending) =
            Appender::start(options_for(&database.options, "appender", database.node), WORKER_ROLE, Arc::clone(&tail));
        let listening = signal::listen(&database);
        let telling = signal::tell(database.worker.clone(), known.head());
        let trial = Trial::of(&database);
        Ok(Self {
            trial,
            database,
            appender: Mutex::new(Some(Arc::new(appender))),
            tail,
            tasks: Mutex::new(vec![appending, listening, telling]),
        })
    }

    /// Takes no more units and returns once everything accepted is answered.
    pub async fn close(&self) {
        drop(self.appender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner)).into_iter();
        if let Some(appending) = tasks.next() {
            let _ = appending.await;
        }
        tasks.for_each(|task| task.abort());
    }

    /// Why the database takes no events, and what to do, if it refused the last ones and still would. That is tried, since nobody
    /// may send any more.
    pub async fn trouble(&self) -> Option<String> {
        let appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        self.trial.made(&appender).await;
        appender.trouble.borrow().as_ref().map(|trouble| trouble.why.clone())
    }

    /// Facts after a position whose event is of one of the given types, in order, up to and with another position; and
    /// up to where that is all of them, if they are too many or too large to be read at once.
    pub async fn after_of_types(
        &self,
        position: i64,
        until: i64,
        types: &[&'static str],
        limit: usize,
    ) -> Result<(Vec<Arc<Fact>>, i64), LogError> {
        let read = self.read(Which::OfTypes { until, types }, position, limit).await?.1;
        let to = if read.whole { until } else { read.facts.last().map_or(position, |(last, _)| last.position) };
        Ok((read.facts.into_iter().map(|(fact, _)| fact).collect(), to))
    }

    /// What the log lost, if it was found to have gone back lately.
    pub fn went_back(&self) -> Option<WentBack> {
        self.known().went_back()
    }

    fn known(&self) -> &Known {
        &self.database.known
    }

    /// Reads what follows a position, all of it of one generation.
    async fn read(&self, which: Which<'_>, position: i64, limit: usize) -> Result<(u64, reads::Read), LogError> {
        let generation = self.known().generation_now();
        let read = within(reads::forward(&self.database.worker, which, position, limit)).await.map_err(log_error)?;
        if self.known().generation_now() != generation {
            return Err(LogError::Unreachable(Arc::new(std::io::Error::other(
                "the database was restarted or replaced while its log was \
                being read",
            ))));
        }
        Ok((generation, read))
    }

    /// Reads a bounded step of the events of an aggregate after a version.
    async fn step(&self, which: Which<'_>, after: i64) -> Result<RecordedStep, LogError> {
        let read = within(reads::forward(&self.database.worker, which, after, STEP_EVENTS_MAX)).await.map_err(log_error)?;
        let events = read.facts.into_iter().map(|(fact, _)| fact.recorded.clone()).collect::<Result<_, _>>();
        Ok(RecordedStep { events: events.map_err(|error| LogError::Corrupt(Arc::new(error)))?, more: !read.whole })
    }
}

#[async_trait]
impl EventLog for PostgresEventLog {
    async fn append(&self, unit: Unit) -> Result<Appended, LogError> {
        let appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let closing = || LogError::Unreachable(Arc::new(std::io::Error::other("this node is shutting down")));
        appender.ok_or_else(closing)?.append(EncodedUnit::new(unit)).await
    }

    async fn stream(&self, kind: AggregateType, id: Uuid, after: i64) -> Result<Step, LogError> {
        let which = Which::OfAggregate { id: &id.to_string(), kind: Some(kind.word()), types: None };
        let RecordedStep { events, more } = self.step(which, after).await?;
        Ok(Step { events: events.iter().map(|recorded| recorded.event.clone()).collect(), more })
    }

    async fn stream_after(&self, id: Uuid, version: i64) -> Result<Vec<Arc<Recorded>>, LogError> {
        Ok(self.step(Which::OfAggregate { id: &id.to_string(), kind: None, types: None }, version).await?.events)
    }

    async fn stream_of(&self, id: Uuid, version: i64, names: &[&'static str]) -> Result<RecordedStep, LogError> {
        self.step(Which::OfAggregate { id: &id.to_string(), kind: None, types: Some(names) }, version).await
    }

    fn histories_at_once(&self) -> usize {
        let connections = self.database.worker.options().get_max_connections();
        usize::try_from(connections / HISTORIES_SHARE).unwrap_or(1).max(1)
    }

    async fn versions(&self, ids: &[Uuid]) -> Result<Vec<i64>, LogError> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let versions = sqlx::query_scalar(
            "SELECT coalesce((SELECT e.sequence FROM milepost.events e WHERE e.aggregate_id = i.id ORDER BY e.sequence DESC LIMIT 1), 0) \
             FROM unnest($1::text[]) WITH ORDINALITY i(id, n) ORDER BY i.n",
        )
        .bind(ids)
        .fetch_all(&self.database.worker);
        within(versions).await.map_err(log_error)
    }

    async fn holder(&self, workspace: WorkspaceId, claim: &Claim) -> Result<Option<Uuid>, LogError> {
        let holder = sqlx::query_scalar("SELECT held_by FROM milepost.claims WHERE workspace_id = $1 AND kind = $2 AND value = $3")
            .bind(workspace.0)
            .bind(claim.kind)
            .bind(&claim.value)
            .fetch_optional(&self.database.worker);
        let holder: Option<String> = within(holder).await.map_err(log_error)?;
        let holder = holder.map(|id| Uuid::parse_str(&id)).transpose();
        holder.map_err(|error| LogError::Corrupt(Arc::new(error)))
    }

    async fn settled(&self, workspace: WorkspaceId, key: &CommandKey) -> Result<Option<Settled>, LogError> {
        let row = sqlx::query(
            "SELECT e.aggregate_id, e.position + e.unit_size - 1, e.request_hash, \
               (SELECT max(l.sequence) FROM milepost.events l \
                WHERE l.position BETWEEN e.position AND e.position + e.unit_size - 1 AND l.aggregate_id = e.aggregate_id) \
             FROM milepost.events e WHERE e.workspace_id = $1 AND e.command_source = $2 AND e.command_id = $3 \
             UNION ALL \
             SELECT aggregate_id, position, request_hash, version FROM milepost.settled_commands \
             WHERE workspace_id = $1 AND command_source = $2 AND command_id = $3",
        )
        .bind(workspace.0)
        .bind(key.source.number())
        .bind(key.id)
        .fetch_optional(&self.database.worker);
        let row = within(row).await.map_err(log_error)?;
        let settled = row.map(|row| -> Result<Settled, sqlx::Error> {
            let aggregate_id: &str = row.try_get(0)?;
            let hash: &[u8] = row.try_get(2)?;
            Ok(Settled {
                aggregate_id: Uuid::parse_str(aggregate_id).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                position: row.try_get(1)?,
                request_hash: hash.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                version: row.try_get(3)?,
            })
        });
        settled.transpose().map_err(log_error)
    }

    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Arc<Fact>>, LogError> {
        if position >= *self.known().head().borrow() {
            return Ok(vec![]);
        }
        if let Some(facts) = self.tail.after(position, limit) {
            return Ok(facts);
        }
        let (generation, reads::Read { facts, .. }) = self.read(Which::All, position, limit).await?;
        // Near the head, other readers of this node want the same.
        if facts.last().is_some_and(|(last, _)| last.position + TAIL_FACTS_MAX as i64 > *self.known().head().borrow()) {
            self.tail.extend(generation, facts.iter().cloned());
        }
        Ok(facts.into_iter().map(|(fact, _)| fact).collect())
    }

    fn head(&self) -> watch::Receiver<i64> {
        self.known().head()
    }

    fn generation(&self) -> watch::Receiver<u64> {
        self.known().generation()
    }
}
