//! The infrastructure that the application needs, as traits.

use crate::caller::Source;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::event::{AggregateType, Event, Fact, Metadata, Recorded};
use domain::ids::WorkspaceId;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use uuid::Uuid;

/// The log of all events.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends a unit, all or nothing, or returns why not.
    async fn append(&self, unit: Unit) -> Result<Appended, LogError>;

    /// The next events of an aggregate of this kind after a version, oldest first. Streams have no bound, so they are read
    /// in steps that have one.
    async fn stream(&self, kind: AggregateType, id: Uuid, after: i64) -> Result<Step, LogError>;

    /// The next events of an aggregate after a version, with their circumstances: a bounded step as well, which is empty
    /// only if there are none.
    async fn stream_after(&self, id: Uuid, version: i64) -> Result<Vec<Arc<Recorded>>, LogError>;

    /// The next events of an aggregate after a version that have one of these names: a bounded step as well.
    async fn stream_of(&self, id: Uuid, version: i64, names: &[&'static str]) -> Result<RecordedStep, LogError>;

    /// How many long streams may be read at the same time, so that connections are left for all other reads.
    fn histories_at_once(&self) -> usize;

    /// The current version of each aggregate, 0 for one that is not there.
    async fn versions(&self, ids: &[Uuid]) -> Result<Vec<i64>, LogError>;

    /// The aggregate that holds a claim in a workspace, if one does.
    async fn holder(&self, workspace: WorkspaceId, claim: &Claim) -> Result<Option<Uuid>, LogError>;

    /// What an earlier command of this id came to, if there was one.
    async fn settled(&self, workspace: WorkspaceId, key: &CommandKey) -> Result<Option<Settled>, LogError>;

    /// The facts after a position, in order, at most `limit`; fewer where they are large, none only if there are none.
    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Arc<Fact>>, LogError>;

    /// Where the log ends, read from it or known by an append of this node. It moves when something is appended, here or elsewhere.
    fn head(&self) -> watch::Receiver<i64>;

    /// Goes up before anything is read from a database that may have lost something: after it was restarted or replaced, or was
    /// found to hold another log. What was read under an earlier generation is to be read again.
    fn generation(&self) -> watch::Receiver<u64>;
}

/// A part of a stream.
#[derive(Debug, Clone)]
pub struct Step {
    pub events: Vec<Event>,
    /// Whether there may be more after these.
    pub more: bool,
}

/// A part of a stream, with the circumstances of its events.
#[derive(Debug, Clone)]
pub struct RecordedStep {
    pub events: Vec<Arc<Recorded>>,
    /// Whether there may be more after these.
    pub more: bool,
}

/// What one command appends.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The generation of the log that everything was read from which the decision relied on.
    pub generation: u64,
    pub workspace: WorkspaceId,
    /// The aggregate that the command was for.
    pub subject: Uuid,
    pub source: Source,
    pub key: Option<CommandKey>,
    /// In order; the events of one stream have consecutive versions. None at all records that there was nothing to do.
    pub events: Vec<NewEvent>,
    /// Versions of other aggregates that the decision relied on.
    pub guards: Vec<Guard>,
    pub claims: Vec<Claim>,
    pub releases: Vec<Claim>,
    /// The line of an import that the command is. Of others, refusals are not recorded.
    pub line: Option<Line>,
}

impl Unit {
    /// One that changes nothing and goes the way of every other.
    pub fn nothing(generation: u64, source: Source) -> Self {
        let (workspace, subject) = (WorkspaceId(Uuid::nil()), Uuid::nil());
        Self {
            generation,
            workspace,
            subject,
            source,
            key: None,
            events: vec![],
            guards: vec![],
            claims: vec![],
            releases: vec![],
            line: None,
        }
    }
}

/// A line of an import: where it was refused, the same line is answered the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Of its content and its sender.
    pub hash: [u8; 32],
    /// Whether a refusal recorded before does not count.
    pub anew: bool,
    /// The refusal to record, of a unit without events.
    pub refusal: Option<RefusedLine>,
}

/// Why a line was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLine {
    pub code: String,
    pub message: String,
    /// Points into the line, such as `["input", "due", "date"]`; empty where no field is to blame.
    pub path: Vec<String>,
}

/// A text as it can be stored: PostgreSQL holds no U+0000, which a sender may have written and a message may quote.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl RefusedLine {
    /// As it can be stored.
    #[must_use]
    pub(crate) fn storable(self) -> Self {
        Self { code: self.code, message: storable(&self.message), path: self.path.iter().map(|part| storable(part)).collect() }
    }

    /// As JSON.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("texts can be written as JSON")
    }
}

/// What makes sending a command again safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandKey {
    pub source: Source,
    pub id: Uuid,
    /// See [`crate::command::Command::request_hash`].
    pub request_hash: [u8; 32],
}

/// An event about to be appended.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub event_id: Uuid,
    pub aggregate_id: Uuid,
    pub version: i64,
    pub metadata: Metadata,
    pub event: Event,
}

/// An aggregate that must still be at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guard {
    pub aggregate_id: Uuid,
    pub version: i64,
}

/// A value that only one aggregate of a workspace may hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    pub kind: &'static str,
    pub value: String,
}

/// The log's answer to a unit.
#[derive(Debug, Clone)]
pub enum Appended {
    /// It is there: the events as stored. For a unit without events, the last position of its subject.
    Done { recorded: Vec<Arc<Recorded>>, position: i64 },
    /// The same request was appended before.
    Replayed(Settled),
    /// The command id was used for another request.
    CommandIdReused,
    /// An aggregate that the unit writes or guards is at another version.
    Moved { aggregate_id: Uuid, found: i64 },
    /// A claimed value is taken.
    ClaimTaken,
    /// The same line of an import was refused before.
    RefusedBefore(RefusedLine),
    /// The log has gone to another generation since the decision was made. Nothing was appended.
    Outdated,
}

/// What an earlier command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub aggregate_id: Uuid,
    pub position: i64,
    pub version: i64,
    pub request_hash: [u8; 32],
}

/// The log did not answer as it should.
#[derive(Debug, Clone, Error)]
pub enum LogError {
    #[error("too many commands are waiting")]
    Overloaded { retry_after: Duration },
    #[error("the event log cannot be reached")]
    Unreachable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    #[error("the database of the event log has no disk space left")]
    NoRoom(#[source] Arc<dyn std::error::Error + Send + Sync>),
    #[error("the connection to the event log was lost, and it is unknown whether the command was stored")]
    OutcomeUnknown,
    #[error("the event log contains data that cannot be read")]
    Corrupt(#[source] Arc<dyn std::error::Error + Send + Sync>),
    #[error("the database denies access to the event log")]
    Unfit(#[source] Arc<dyn std::error::Error + Send + Sync>),
    #[error("the unit cannot be stored: {0}")]
    Rejected(String),
}

/// The time. A port, so that tests move it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present moment, to the millisecond.
    fn now(&self) -> DateTime<Utc>;

    /// Returns once the moment has come.
    async fn sleep_until(&self, moment: DateTime<Utc>);
}

/// New ids, ordered by time so that indexes stay warm.
pub trait Ids: Send + Sync {
    fn new_id(&self) -> Uuid;
}

/// An event that a durable subscriber failed to process, or one that waits behind it in its aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    pub position: i64,
    pub aggregate_id: Uuid,
    pub event_type: String,
    /// How it failed; `None` for one that waits.
    pub failed: Option<Failed>,
}

/// How a parked event failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub error: String,
    /// How often it has been tried in all.
    pub tries: u32,
    /// The delay before it is retried, unless an admin requests it earlier.
    pub again_after: Duration,
}

impl Failed {
    /// With an error as it can be stored.
    pub(crate) fn new(error: &str, tries: u32, again_after: Duration) -> Self {
        Self { error: storable(error), tries, again_after }
    }
}

/// The first parked event of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstParked {
    pub position: i64,
    pub aggregate_id: Uuid,
    /// How often it has been tried; 0 if it has only waited so far.
    pub tries: u32,
}

/// What is parked of some aggregates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Those of the aggregates of which something is parked.
    pub aggregates: HashSet<Uuid>,
    /// Whether anything at all is parked.
    pub any: bool,
}

/// Where durable subscribers keep how far they are.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    /// The position up to which everything is done or parked; 0 at first. What is parked and not in the log up to there is
    /// forgotten: the log went back, and nothing waits for what is lost.
    async fn load(&self, name: &str) -> Result<i64, LogError>;

    /// Advances from one position to another and parks the events between them that failed, both or neither. False if another
    /// node has advanced it.
    async fn advance(&self, name: &str, from: i64, to: i64, parked: &[Parked]) -> Result<bool, LogError>;

    /// Which of these aggregates wait, since something of them is parked.
    async fn waiting(&self, name: &str, aggregates: &[Uuid]) -> Result<Waiting, LogError>;

    /// How many events are parked.
    async fn count_parked(&self, name: &str) -> Result<i64, LogError>;

    /// The first parked events of aggregates that are to be tried now, the longest due first; not those of some aggregates.
    async fn due(&self, name: &str, but: &[Uuid], limit: usize) -> Result<Vec<FirstParked>, LogError>;

    /// Has the first parked event of every aggregate tried now.
    async fn make_all_due(&self, name: &str) -> Result<(), LogError>;

    /// A parked event is processed. The next parked event of its aggregate becomes due in its place.
    async fn release(&self, name: &str, first: &FirstParked) -> Result<(), LogError>;

    /// A retry of a parked event failed.
    async fn failed_again(&self, name: &str, position: i64, failed: &Failed) -> Result<(), LogError>;
}

/// A schedule whose moment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSchedule {
    pub id: Uuid,
    pub workspace: WorkspaceId,
    /// The version of the schedule that the row shows.
    pub version: i64,
    pub due_revision: i64,
    pub fire_at: DateTime<Utc>,
}

/// What the scheduler reads.
#[async_trait]
pub trait Deadlines: Send + Sync {
    /// The earliest moment after another one at which anything fires.
    async fn next_fire_after(&self, moment: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LogError>;

    /// What fires up to a moment, the earliest first, after another one of the list.
    async fn due(&self, until: DateTime<Utc>, after: Option<DueSchedule>, limit: i64) -> Result<Vec<DueSchedule>, LogError>;

    /// The position up to which the answers above are right. It moves with the read model; `None` while it is not known.
    fn position(&self) -> watch::Receiver<Option<i64>>;
}
