//! Sequenced group commit: whatever waits while a batch is in flight is the next batch.
//!
//! One task of a node owns one connection and sends one statement at a time. There is no linger: under light load a
//! batch is one unit, under heavy load it is hundreds, and one fsync serves them all. When the answer to a statement is
//! lost, the units are sent again as they were: what was taken the first time is recognised by its event ids.

use super::batch::{self, EncodedUnit, UnitAnswer};
use super::tail::Tail;
use super::tangle::Touched;
use super::trouble::Trouble;
use crate::postgres::{DISK_FULL, is_passing, log_error, notice_closed};
use application::ports::{Appended, LogError, NewEvent, Settled};
use domain::event::Recorded;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection, Row};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// Most units in one batch.
pub const BATCH_UNITS_MAX: usize = 512;
/// Most bytes in one batch.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most units accepted and not answered; the next one is turned away.
pub const QUEUE_UNITS_MAX: usize = 4_096;
/// Most bytes of such units.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest wait for one statement. Then its connection is given up and its outcome is unknown.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long units whose outcome is unknown are sent again before their senders are told so.
pub const RESEND_FOR: Duration = Duration::from_secs(15);
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// An append is acknowledged once it is on the disk, also where the server is set not to wait for that.
const WAIT_FOR_DISK: &str = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Accepts units and answers when they are in the log.
pub(crate) struct Appender {
    queue: mpsc::Sender<Job>,
    units: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// Why the database last took nothing, unless it has taken something since.
    pub(super) trouble: watch::Sender<Option<Trouble>>,
}

/// Its place among [`QUEUE_UNITS_MAX`] and [`QUEUE_BYTES_MAX`], kept until it is answered.
type Room = (OwnedSemaphorePermit, OwnedSemaphorePermit);

struct Job {
    encoded: EncodedUnit,
    answer: oneshot::Sender<Result<Appended, LogError>>,
    /// When it was first sent without an answer. From then on it may be in the log already.
    sent_in_vain: Option<Instant>,
    _room: Room,
}

impl Appender {
    /// Starts the task. It ends when the appender is dropped and everything accepted is answered.
    pub(crate) fn start(options: PgConnectOptions, role: &'static str, tail: Arc<Tail>) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE_UNITS_MAX);
        // One call has one plan; planning it anew for the sizes of its arrays costs more than it gains.
        let options = options.options([("plan_cache_mode", "force_generic_plan")]);
        let trouble = watch::Sender::new(None);
        let (jobs, trouble_now) = (VecDeque::new(), trouble.clone());
        let worker = Worker { options, role, connection: None, generation: 0, waiting, jobs, alone: 0, tail, trouble: trouble_now };
        let task = tokio::spawn(worker.run());
        let room = |places| Arc::new(Semaphore::new(places));
        (Self { queue, units: room(QUEUE_UNITS_MAX), bytes: room(QUEUE_BYTES_MAX), trouble }, task)
    }

    pub(crate) async fn append(&self, encoded: EncodedUnit) -> Result<Appended, LogError> {
        if encoded.bytes > BATCH_BYTES_MAX {
            return Err(LogError::Rejected(format!("it has {} bytes, and {BATCH_BYTES_MAX} are allowed", encoded.bytes)));
        }
        let overloaded = || {
            metrics::counter!("milepost_append_overloaded_total").increment(1);
            LogError::Overloaded { retry_after: Duration::from_millis(100) }
        };
        let unit = Arc::clone(&self.units).try_acquire_owned().map_err(|_| overloaded())?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(encoded.bytes as u32).map_err(|_| overloaded())?;
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Job { encoded, answer, sent_in_vain: None, _room: (unit, bytes) }).map_err(|_| overloaded())?;
        answered.await.unwrap_or(Err(LogError::OutcomeUnknown))
    }
}

struct Worker {
    options: PgConnectOptions,
    role: &'static str,
    connection: Option<PgConnection>,
    /// The generation of the database that the connection is of.
    generation: u64,
    waiting: mpsc::Receiver<Job>,
    jobs: VecDeque<Job>,
    /// How many of the first jobs are to be sent alone: one of them made the server refuse all.
    alone: usize,
    tail: Arc<Tail>,
    trouble: watch::Sender<Option<Trouble>>,
}

impl Worker {
    async fn run(mut self) {
        while self.gather().await {
            let batch = self.take_batch();
            if batch.is_empty() {
                continue;
            }
            match self.connect().await {
                Ok(()) => {
                    let batch = self.send_back_outdated(batch).await;
                    self.send(batch).await;
                }
                Err(error) => self.could_not_send(batch, error).await,
            }
        }
    }

    /// Units that were decided before the database was found anew are decided again: what they relied on may be lost. One that
    /// was sent before and is in the log is answered as done.
    async fn send_back_outdated(&mut self, batch: Vec<Job>) -> Vec<Job> {
        let generation = self.generation;
        let (current, outdated): (Vec<_>, Vec<_>) = batch.into_iter().partition(|job| job.encoded.unit.generation == generation);
        if !outdated.is_empty()
            && let Some(connection) = self.connection.take()
        {
            let answers = outdated.iter().map(|_| UnitAnswer::Outdated).collect();
            self.deliver(outdated, answers, connection).await;
        }
        current
    }

    /// Takes what waits, and waits if nothing does. False when no more will come.
    async fn gather(&mut self) -> bool {
        if self.jobs.is_empty() {
            match self.waiting.recv().await {
                Some(job) => self.jobs.push_back(job),
                None => return false,
            }
        }
        while self.jobs.len() < QUEUE_UNITS_MAX
            && let Ok(job) = self.waiting.try_recv()
        {
            self.jobs.push_back(job);
        }
        true
    }

    /// The units of the next batch: in order of arrival, but the later of two tangled ones stays for the batch after.
    fn take_batch(&mut self) -> Vec<Job> {
        let (mut batch, mut later) = (vec![], VecDeque::new());
        let mut touched = Touched::default();
        let mut bytes = 0;
        let units_max = if self.alone > 0 { 1 } else { BATCH_UNITS_MAX };
        while let Some(job) = self.jobs.pop_front() {
            if job.answer.is_closed() && job.sent_in_vain.is_none() {
                continue; // Its sender gave up before it was sent, so it need not happen.
            }
            if batch.len() == units_max || bytes + job.encoded.bytes > BATCH_BYTES_MAX {
                later.push_back(job);
                break;
            }
            if touched.admit(&job.encoded) {
                bytes += job.encoded.bytes;
                batch.push(job);
            } else {
                later.push_back(job);
            }
        }
        later.append(&mut self.jobs);
        self.jobs = later;
        self.alone = self.alone.saturating_sub(1);
        batch
    }

    async fn connect(&mut self) -> Result<(), sqlx::Error> {
        let known = self.tail.known();
        if self.connection.is_none() || self.generation != known.generation_now() {
            let connect = async {
                let mut connection = self.options.connect().await?;
                let generation = known.prove(&mut connection, self.role).await?;
                connection.execute(WAIT_FOR_DISK).await?;
                notice_closed(&mut connection).await;
                Ok::<_, sqlx::Error>((connection, generation))
            };
            self.connection = None;
            let connected = tokio::time::timeout(STATEMENT_TIMEOUT, connect).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
            (self.connection, self.generation) = (Some(connected.0), connected.1);
        }
        Ok(())
    }

    async fn send(&mut self, batch: Vec<Job>) {
        if batch.is_empty() {
            return;
        }
        let Some(mut connection) = self.connection.take() else {
            // It was given up before they were sent, so they wait for the next one.
            batch.into_iter().rev().for_each(|job| self.jobs.push_front(job));
            return;
        };
        let (encoded, rest): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.encoded, (job.answer, job.sent_in_vain, job._room))).unzip();
        let started = Instant::now();
        let result = tokio::time::timeout(STATEMENT_TIMEOUT, batch::append(&mut connection, &encoded)).await;
        let jobs = encoded
            .into_iter()
            .zip(rest)
            .map(|(encoded, (answer, sent_in_vain, _room))| Job { encoded, answer, sent_in_vain, _room })
            .collect::<Vec<_>>();
        metrics::histogram!("milepost_append_duration_seconds").record(started.elapsed());
        metrics::histogram!("milepost_append_batch_units").record(jobs.len() as f64);
        match result {
            Ok(Ok(answers)) => {
                self.trouble.send_if_modified(|trouble| trouble.take().is_some());
                self.deliver(jobs, answers, connection).await;
            }
            Ok(Err(sqlx::Error::Database(refused))) if !is_fatal(refused.as_ref()) => {
                self.connection = Some(connection);
                self.refused(jobs, refused).await;
            }
            Ok(Err(error)) => self.lost(jobs, &error.to_string()).await,
            Err(_) => self.lost(jobs, "the statement took too long").await,
        }
    }

    /// The server refused the statement, so nothing of it happened. One unit is the cause, so each goes alone, unless the
    /// disk is full: that says nothing about any of them.
    async fn refused(&mut self, jobs: Vec<Job>, refused: Box<dyn sqlx::error::DatabaseError>) {
        let (code, message) = (refused.code().unwrap_or_default().into_owned(), refused.message().to_owned());
        if jobs.len() > 1 && code != DISK_FULL {
            self.alone = jobs.len();
            jobs.into_iter().rev().for_each(|job| self.jobs.push_front(job));
            return;
        }
        // What was sent before may have been taken then, so only a next try tells.
        let (again, never_sent): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| is_passing(&code) && job.sent_in_vain.is_some());
        if !never_sent.is_empty() {
            tracing::error!(units = never_sent.len(), error = %refused, "the database refused an append");
            let error = match log_error(sqlx::Error::Database(refused)) {
                // A missing right or table says nothing about the unit; what else is not passing does.
                LogError::Unfit(_) if !code.starts_with("42") && !code.starts_with("3F") => LogError::Rejected(message.clone()),
                error => error,
            };
            if !matches!(error, LogError::Rejected(_)) {
                self.trouble.send_replace(Some(Trouble::now(&code, &message)));
            }
            for job in never_sent {
                let _ = job.answer.send(Err(error.clone()));
            }
        }
        if !again.is_empty() {
            self.lost(again, &message).await;
        }
    }

    /// The answer was lost: the units go to the front and are sent again, until that has lasted too long.
    async fn lost(&mut self, jobs: Vec<Job>, reason: &str) {
        tracing::warn!(units = jobs.len(), reason, "the response to an append was lost; retrying");
        metrics::counter!("milepost_append_lost_total").increment(1);
        let now = Instant::now();
        for mut job in jobs.into_iter().rev() {
            let since = *job.sent_in_vain.get_or_insert(now);
            if now - since > RESEND_FOR {
                let _ = job.answer.send(Err(LogError::OutcomeUnknown));
            } else {
                self.jobs.push_front(job);
            }
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }

    /// There is no connection: what was never sent fails at once, the rest is tried again.
    async fn could_not_send(&mut self, batch: Vec<Job>, error: sqlx::Error) {
        // Each would wait for a connection, one after the other.
        self.alone = 0;
        let words = error.to_string();
        let error = log_error(error);
        let (again, never_sent): (Vec<_>, Vec<_>) = batch.into_iter().partition(|job| job.sent_in_vain.is_some());
        for job in never_sent {
            let _ = job.answer.send(Err(error.clone()));
        }
        if again.is_empty() { tokio::time::sleep(RECONNECT_PAUSE).await } else { self.lost(again, &words).await }
    }

    /// Answers units. Where a connection does not say what became of one, it is given up, and what would have to be asked as well
    /// is sent again.
    async fn deliver(&mut self, jobs: Vec<Job>, answers: Vec<UnitAnswer>, connection: PgConnection) {
        let mut connection = Some(connection);
        let (mut appended, mut again) = (vec![], vec![]);
        for (job, answer) in jobs.into_iter().zip(answers) {
            let answer = match answer {
                UnitAnswer::Appended { .. } | UnitAnswer::Proved { .. } => answer,
                // Sent before without an answer, or with one that cannot be read: if its events are there, it was taken then.
                _ if job.sent_in_vain.is_some() || matches!(answer, UnitAnswer::Unreadable(_)) => {
                    let taken = match &mut connection {
                        Some(connection) => tokio::time::timeout(STATEMENT_TIMEOUT, taken_before(&job.encoded, connection)).await.ok(),
                        None => None,
                    };
                    let Some(Ok(taken)) = taken else {
                        connection = None;
                        again.push(job);
                        continue;
                    };
                    taken.unwrap_or(answer)
                }
                _ => answer,
            };
            appended.push((job, answer));
        }
        let mut fresh: Vec<(Arc<Recorded>, usize)> = vec![];
        let answered: Vec<_> = appended
            .into_iter()
            .map(|(job, answer)| {
                let bytes = job.encoded.bytes;
                let appended = to_appended(job.encoded, answer);
                if let Ok(Appended::Done { recorded, .. }) = &appended {
                    fresh.extend(recorded.iter().map(|one| (Arc::clone(one), bytes / recorded.len())));
                }
                (job.answer, appended)
            })
            .collect();
        metrics::counter!("milepost_append_events_total").increment(fresh.len() as u64);
        self.tail.publish(self.generation, fresh);
        for (sender, appended) in answered {
            let _ = sender.send(appended);
        }
        self.connection = connection;
        if !again.is_empty() {
            self.lost(again, "failed to look up the results of appends").await;
        }
    }
}

/// Errors after which the server ends the connection: whether the statement was carried out is not known for sure.
fn is_fatal(refused: &dyn sqlx::error::DatabaseError) -> bool {
    refused.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
}

/// Looks for the events of a unit that was sent before: at their places, with their ids.
async fn taken_before(encoded: &EncodedUnit, connection: &mut PgConnection) -> Result<Option<UnitAnswer>, sqlx::Error> {
    let Some(first) = encoded.unit.events.first() else { return Ok(None) };
    let row = sqlx::query("SELECT position, recorded_at FROM milepost.events WHERE aggregate_id = $1 AND sequence = $2 AND event_id = $3")
        .bind(first.aggregate_id.to_string())
        .bind(first.version)
        .bind(first.event_id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let first_position: i64 = row.try_get(0)?;
    let drawn = sqlx::query_scalar(
        "SELECT (payload -> event_type ->> 'number')::bigint FROM milepost.events \
         WHERE position >= $1 AND position < $2 AND event_type = ANY($3) ORDER BY position",
    )
    .bind(first_position)
    .bind(first_position + encoded.unit.events.len() as i64)
    .bind(drawing_names(&encoded.unit.events))
    .fetch_all(connection)
    .await?;
    Ok(Some(UnitAnswer::Appended { first_position, recorded_at: row.try_get(1)?, drawn }))
}

fn drawing_names(events: &[NewEvent]) -> Vec<&'static str> {
    events.iter().filter(|new| new.event.draw().is_some()).map(|new| new.event.name()).collect()
}

/// The answer with the events as the log holds them.
fn to_appended(encoded: EncodedUnit, answer: UnitAnswer) -> Result<Appended, LogError> {
    let unit = encoded.unit;
    Ok(match answer {
        UnitAnswer::Proved { position } => Appended::Done { recorded: vec![], position },
        UnitAnswer::CommandIdReused => Appended::CommandIdReused,
        UnitAnswer::Moved { aggregate_id, found } => Appended::Moved { aggregate_id, found },
        UnitAnswer::ClaimTaken => Appended::ClaimTaken,
        UnitAnswer::RefusedBefore(refusal) => Appended::RefusedBefore(refusal),
        UnitAnswer::Unreadable(reason) => return Err(unreadable(&reason)),
        UnitAnswer::Outdated => Appended::Outdated,
        UnitAnswer::Replayed { aggregate_id, position, version } => {
            let key = unit.key.ok_or_else(|| unreadable("a unit without a command id was appended before"))?;
            Appended::Replayed(Settled { aggregate_id, position, version, request_hash: key.request_hash })
        }
        UnitAnswer::Appended { first_position, recorded_at, drawn } => {
            let mut drawn = drawn.into_iter();
            let workspace_id = unit.workspace;
            let mut recorded = vec![];
            for (position, new) in (first_position..).zip(unit.events) {
                let NewEvent { event_id, aggregate_id, version, metadata, event } = new;
                let event = match event.draw() {
                    Some(_) => event.with_drawn(drawn_number(drawn.next())?),
                    None => event,
                };
                recorded.push(Arc::new(Recorded { position, workspace_id, aggregate_id, version, event_id, recorded_at, metadata, event }));
            }
            let position = first_position + recorded.len() as i64 - 1;
            Appended::Done { recorded, position }
        }
    })
}

fn drawn_number(drawn: Option<i64>) -> Result<u32, LogError> {
    let drawn = drawn.ok_or_else(|| unreadable("a number was not drawn"))?;
    u32::try_from(drawn).map_err(|_| unreadable(&format!("the number {drawn} was drawn, which no event can hold")))
}

/// The log took a unit or did not, and its answer does not say which.
fn unreadable(reason: &str) -> LogError {
    tracing::error!(reason, "the response of the event log to an append cannot be read");
    LogError::Corrupt(Arc::new(std::io::Error::other(format!("the response to an append cannot be read: {reason}"))))
}
