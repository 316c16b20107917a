//! Load, decide, append: how every command is carried out.
//!
//! The decision is made on a state that may come from the cache; the append proves the versions that it depends on. A refusal
//! or a "nothing to do" is proved as well. A state that turns out stale is removed from the cache, and the command is decided again.

mod changes;
mod executable;
mod histories;
mod keyed_locks;

pub use changes::WAITED_FOR_MAX;
pub(crate) use executable::{Checked, Dependencies, Executable, Request, Requirement};

use crate::access;
use crate::caller::{Caller, Circumstances};
use crate::error::CommandError;
use crate::input::Refusal;
use crate::ports::{Appended, Clock, CommandKey, EventLog, Guard, Ids, Line, NewEvent, RefusedLine, Settled, Unit};
use crate::state_cache::{CachedAggregate, StateCache, Versioned};
use changes::Changes;
use cqrs_es::event_sink::EventSink;
use domain::event::{Metadata, Recorded};
use domain::issued::{DomainCommand, Issued};
use domain::rule::{ID_TAKEN, NOT_FOUND, Rule};
use domain::values::Instant;
use histories::Histories;
use keyed_locks::{KeyGuard, KeyedLocks};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How often a command is decided again after others changed what it depends on.
pub const RETRIES_MAX: u32 = 3;
/// Longest pause before such a retry.
pub const RETRY_PAUSE_MS_MAX: u64 = 20;

/// The result of a command.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub aggregate_id: Uuid,
    /// The position of its last event; where there was nothing to do, the aggregate's last position.
    pub position: i64,
    /// The version of the aggregate after it.
    pub version: i64,
    /// Whether the command was carried out before, and this is its recorded result.
    pub replayed: bool,
    /// The events that it stored now.
    pub recorded: Vec<Arc<Recorded>>,
}

/// Carries out commands.
pub(crate) struct Executor {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) states: StateCache,
    locks: KeyedLocks<Uuid>,
    histories: Histories,
}

/// One submission of a command.
#[derive(Clone, Copy)]
pub(crate) struct Submission<'a> {
    /// The generation of the log before anything was read for it. A refusal that was decided on events lost since is not recorded.
    generation: u64,
    pub(crate) how: &'a Circumstances,
    pub(crate) key: Option<&'a CommandKey>,
    /// The line of an import that it is.
    pub(crate) line: Option<&'a Line>,
}

/// The result of one attempt: it is settled, or a version had changed, or many events must be read to find conflicts up to a version.
enum Attempt {
    Settled(Outcome),
    Stale,
    Unread(i64),
}

impl Executor {
    pub(crate) fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let long = Arc::new(Semaphore::new(log.histories_at_once().max(1)));
        let (states, histories) = (StateCache::new(Arc::clone(&log), Arc::clone(&long)), Histories::new(long));
        Self { log, clock, ids, states, locks: KeyedLocks::default(), histories }
    }

    /// A submission of a command that is about to be decided.
    pub(crate) fn submission<'a>(&self, how: &'a Circumstances, key: Option<&'a CommandKey>, line: Option<&'a Line>) -> Submission<'a> {
        Submission { generation: *self.log.generation().borrow(), how, key, line }
    }

    /// Carries out a command of the service's own workers. A command sent before is answered as it was then.
    pub(crate) async fn run<A: Executable>(
        &self,
        how: &Circumstances,
        key: Option<&CommandKey>,
        name: &'static str,
        request: Request<A::DomainCommand>,
    ) -> Result<Outcome, CommandError> {
        let submission = self.submission(how, key, None);
        match self.decide::<A>(submission, Requirement::of_service(name), request).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.refuse(submission, error).await,
        }
    }

    /// The result of a command that is refused now. If the same request was carried out before, it has the outcome of
    /// then: it may itself have removed what it requires, even the permission for it, and limits may be lower since.
    /// The hash covers who sends it. The refusal of a line is recorded.
    pub(crate) async fn refuse(&self, submission: Submission<'_>, error: CommandError) -> Result<Outcome, CommandError> {
        let Some(key) = submission.key.filter(|_| error.may_hide_an_outcome()) else { return Err(error) };
        if let (Some(line), Some(refusal)) = (submission.line, error.refusal()) {
            return self.record(submission, key, line, refusal).await;
        }
        match self.log.settled(submission.how.caller.workspace, key).await? {
            Some(earlier) if earlier.request_hash == key.request_hash => Ok(replayed(earlier)),
            // A caller without permission learns nothing of what others have sent.
            Some(_) if !matches!(error, CommandError::Forbidden(_)) => Err(CommandError::CommandIdReused),
            Some(_) | None => Err(error),
        }
    }

    /// Records that a line was refused, unless it was carried out or refused before: the log says which came first.
    pub(crate) async fn record(
        &self,
        submission: Submission<'_>,
        key: &CommandKey,
        line: &Line,
        refusal: RefusedLine,
    ) -> Result<Outcome, CommandError> {
        let refusal = refusal.storable();
        let unit = Unit {
            generation: submission.generation,
            workspace: submission.how.caller.workspace,
            subject: key.id,
            source: key.source,
            key: Some(key.clone()),
            events: vec![],
            guards: vec![],
            claims: vec![],
            releases: vec![],
            line: Some(Line { refusal: Some(refusal.clone()), ..line.clone() }),
        };
        match self.log.append(unit).await? {
            Appended::Done { .. } => Err(CommandError::RefusedLine { refusal, before: false }),
            Appended::RefusedBefore(refusal) => Err(CommandError::RefusedLine { refusal, before: true }),
            Appended::Replayed(earlier) => Ok(replayed(earlier)),
            Appended::CommandIdReused => Err(CommandError::CommandIdReused),
            // It relies on no version and claims nothing. What it was decided on may be lost, so it is decided again.
            Appended::Moved { .. } | Appended::ClaimTaken | Appended::Outdated => Err(CommandError::Contended),
        }
    }

    /// Decides a command on the present state, and appends its events.
    pub(crate) async fn decide<A: Executable>(
        &self,
        submission: Submission<'_>,
        requirement: Requirement,
        request: Request<A::DomainCommand>,
    ) -> Result<Outcome, CommandError> {
        let Request { id, expected_version, command } = request;
        let id = id.unwrap_or_else(|| self.ids.new_id());
        let creates = command.creates();
        let mut changes = Changes::since(expected_version, A::KIND, id, command.fields());
        let (mut turn, mut retries) = (self.turn(id, creates).await, 0);
        loop {
            match self.attempt::<A>(submission, requirement, id, &command, &mut changes).await? {
                Attempt::Settled(outcome) => return Ok(outcome),
                Attempt::Stale if retries == RETRIES_MAX => return Err(CommandError::Contended),
                Attempt::Stale => {
                    retries += 1;
                    self.pause().await;
                }
                // Other commands on the aggregate do not wait for that.
                Attempt::Unread(version) => {
                    drop(turn);
                    self.read(&mut changes, version, &submission.how.caller).await?;
                    turn = self.turn(id, creates).await;
                }
            }
        }
    }

    /// Reads what has changed up to a version, in turn with other commands that do.
    async fn read(&self, changes: &mut Changes, version: i64, caller: &Caller) -> Result<(), CommandError> {
        let turn = self.histories.turn(caller).await;
        while changes.unread(version) {
            let _step = turn.step().await;
            changes.read(&*self.log, version).await?;
        }
        Ok(())
    }

    /// Waits for the turn of a command. One that creates an aggregate waits for no other.
    async fn turn(&self, id: Uuid, creates: bool) -> Option<KeyGuard<'_, Uuid>> {
        if creates { None } else { Some(self.locks.lock(id).await) }
    }

    async fn pause(&self) {
        let jitter = self.ids.new_id().as_u128() as u64 % RETRY_PAUSE_MS_MAX;
        tokio::time::sleep(Duration::from_millis(jitter)).await;
    }

    async fn attempt<A: Executable>(
        &self,
        submission: Submission<'_>,
        requirement: Requirement,
        id: Uuid,
        command: &A::DomainCommand,
        changes: &mut Changes,
    ) -> Result<Attempt, CommandError> {
        let Submission { how, key, line, .. } = submission;
        let creates = command.creates();
        let own = if creates { self.states.absent::<A>(id) } else { self.states.get::<A>(id).await? };
        let Dependencies { context, mut guards, project_id, role, claim } =
            match A::dependencies(id, command, &self.states, &how.caller, &own).await {
                Ok(dependencies) => dependencies,
                Err(error) => return self.confirm_error(error, own.generation, &[(guard(&own), own.cached)]).await,
            };
        // A command that creates has read nothing of the aggregate: the append finds out whether the id is free.
        let read_own = (!creates).then_some((guard(&own), own.cached));
        let read: Vec<_> = read_own.into_iter().chain(guards.iter().copied()).collect();
        let at = Instant::from(how.at.unwrap_or_else(|| self.clock.now()));
        let issued = Issued { by: how.caller.actor, workspace: how.caller.workspace, at, command: command.clone(), context };
        let mut state = (*own.state).clone();
        let sink = EventSink::default();
        let handled = state.handle(issued, &(), &sink).await;
        let allowed = access::may_do(&how.caller, requirement.command, requirement.need, role);
        let error = match (handled.err().map(|rule| refused(&rule)), allowed) {
            // First of all, so that nothing of another workspace shows.
            (Some(not_found @ CommandError::NotFound(_)), _) => Some(not_found),
            (_, Err(forbidden)) => Some(forbidden),
            // A stale expected version conflicts only where a field that the command sets has changed since.
            (refused, Ok(())) => match changes.conflicts(&*self.log, own.generation, own.version).await? {
                None => return Ok(Attempt::Unread(own.version)),
                Some(fields) if fields.is_empty() => refused,
                Some(conflicting_fields) => Some(CommandError::Conflict { current_version: own.version, conflicting_fields }),
            },
        };
        if let Some(error) = error {
            return self.confirm_error(error, own.generation, &read).await;
        }

        let events = sink.collect().await;
        let writes = !events.is_empty();
        if !writes {
            guards.push((guard(&own), own.cached));
        }
        let metadata = Metadata {
            occurred_at: at,
            actor: how.caller.actor,
            command_id: key.map(|key| key.id),
            correlation_id: how.correlation_id,
            causation_id: how.causation_id,
            traceparent: how.traceparent.clone(),
            project_id,
        };
        let unit = Unit {
            generation: own.generation,
            workspace: how.caller.workspace,
            subject: id,
            source: how.source,
            key: key.filter(|_| A::settles(command) || writes).cloned(),
            events: self.new_events::<A>(&own, events, &metadata),
            guards: guards.iter().map(|(guard, _)| *guard).collect(),
            // A claim is held by the aggregate that the events create: without events there is none.
            claims: claim.iter().filter(|_| writes).map(|(claim, _)| claim.clone()).collect(),
            releases: vec![],
            line: line.cloned(),
        };
        self.append(unit, creates, own, claim.map(|(_, taken)| taken)).await
    }

    fn new_events<A: CachedAggregate>(&self, own: &Versioned<A>, events: Vec<A::Event>, metadata: &Metadata) -> Vec<NewEvent> {
        (own.version + 1..)
            .zip(events)
            .map(|(version, event)| NewEvent {
                event_id: self.ids.new_id(),
                aggregate_id: own.id,
                version,
                metadata: metadata.clone(),
                event: event.into(),
            })
            .collect()
    }

    async fn append<A: CachedAggregate>(
        &self,
        unit: Unit,
        creates: bool,
        own: Versioned<A>,
        claim_taken: Option<Refusal>,
    ) -> Result<Attempt, CommandError> {
        match self.log.append(unit).await? {
            Appended::Done { recorded, position } => {
                let (aggregate_id, version) = (own.id, own.version + recorded.len() as i64);
                if !recorded.is_empty() {
                    self.cache(own, version, &recorded);
                }
                Ok(Attempt::Settled(Outcome { aggregate_id, position, version, replayed: false, recorded }))
            }
            Appended::Replayed(earlier) => Ok(Attempt::Settled(replayed(earlier))),
            Appended::CommandIdReused => Err(CommandError::CommandIdReused),
            Appended::RefusedBefore(refusal) => Err(CommandError::RefusedLine { refusal, before: true }),
            Appended::Outdated => Ok(Attempt::Stale),
            Appended::ClaimTaken => Err(CommandError::Refused(claim_taken.into_iter().collect())),
            Appended::Moved { aggregate_id, .. } if aggregate_id == own.id && creates => Err(CommandError::Refused(vec![id_taken()])),
            Appended::Moved { aggregate_id, .. } => {
                self.states.forget(aggregate_id);
                Ok(Attempt::Stale)
            }
        }
    }

    /// Applies the events as stored, with the numbers that were drawn, to the state and caches it.
    fn cache<A: CachedAggregate>(&self, own: Versioned<A>, version: i64, recorded: &[Arc<Recorded>]) {
        let mut state = own.state;
        let folded = Arc::make_mut(&mut state);
        for event in recorded {
            if let Ok(event) = event.event.clone().try_into() {
                folded.apply(event);
            }
        }
        self.states.put(&Versioned { id: own.id, generation: own.generation, version, state, cached: true });
    }

    /// The error, if the states that it was decided on are still current.
    async fn confirm_error(&self, error: CommandError, generation: u64, read: &[(Guard, bool)]) -> Result<Attempt, CommandError> {
        if !read.iter().any(|(_, cached)| *cached) {
            return Err(error);
        }
        let ids: Vec<Uuid> = read.iter().map(|(guard, _)| guard.aggregate_id).collect();
        let versions = self.log.versions(&ids).await?;
        if *self.log.generation().borrow() != generation {
            return Ok(Attempt::Stale);
        }
        let stale = read.iter().zip(versions).filter(|((guard, _), version)| guard.version != *version);
        let stale: Vec<Uuid> = stale.map(|((guard, _), _)| guard.aggregate_id).collect();
        if stale.is_empty() {
            return Err(error);
        }
        stale.into_iter().for_each(|id| self.states.forget(id));
        Ok(Attempt::Stale)
    }
}

fn guard<E>(own: &Versioned<E>) -> Guard {
    Guard { aggregate_id: own.id, version: own.version }
}

fn replayed(earlier: Settled) -> Outcome {
    Outcome { aggregate_id: earlier.aggregate_id, position: earlier.position, version: earlier.version, replayed: true, recorded: vec![] }
}

/// The one place where a broken rule becomes an error of a command.
pub(crate) fn refused(rule: &impl Rule) -> CommandError {
    let refusal = Refusal::by_rule(rule);
    match refusal.code {
        NOT_FOUND => CommandError::NotFound(refusal),
        _ => CommandError::Refused(vec![refusal]),
    }
}

fn id_taken() -> Refusal {
    let message = "this id is already in use; omit it or choose a new UUID".to_owned();
    Refusal { code: ID_TAKEN, message, path: vec!["id".to_owned()] }
}

#[cfg(test)]
mod tests;
