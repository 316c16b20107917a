//! Load, handle, append: how every command is carried out.
//!
//! The decision is made on a state that may come from memory; the append proves the versions it relied on. A refusal
//! or a "nothing to do" is proved as well. What turned out stale is forgotten and decided again.

mod changes;
mod histories;
mod lanes;

pub use changes::WAITED_FOR_MAX;

use crate::access::{self, Asks, Standing};
use crate::caller::{Caller, Circumstances};
use crate::error::CommandError;
use crate::inputs::Refusal;
use crate::ports::{Appended, Claim, Clock, CommandKey, EventLog, Guard, Ids, Line, NewEvent, RefusedLine, Settled, Unit};
use crate::state_cache::{Entity, States, Versioned};
use changes::Changes;
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use domain::event::{Metadata, Recorded};
use domain::fields::Fields;
use domain::ids::ProjectId;
use domain::issued::Issued;
use domain::rule::{ID_TAKEN, NOT_FOUND, Rule};
use domain::values::Instant;
use histories::Histories;
use lanes::{Lanes, Turn};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How often a decision is made anew after others changed what it relied on.
pub const RETRIES_MAX: u32 = 3;
/// Longest pause before such a retry.
pub const RETRY_PAUSE_MS_MAX: u64 = 20;

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub aggregate_id: Uuid,
    /// The position of its last event; where there was nothing to do, the aggregate's last position.
    pub position: i64,
    /// The version of the aggregate after it.
    pub version: i64,
    /// Whether the answer is that of an earlier sending.
    pub replayed: bool,
    /// The events that this sending stored.
    pub recorded: Vec<Arc<Recorded>>,
}

/// A command for one aggregate, as the executor needs it.
pub(crate) trait Handling: Sync {
    type Entity: Entity;

    fn id(&self) -> Uuid;
    /// Whether it begins the aggregate, so that there is nothing to load.
    fn creates(&self) -> bool;
    fn expected_version(&self) -> Option<i64>;
    /// The fields that it sets.
    fn fields(&self) -> Fields;
    /// Whether "nothing to do" is kept under the command's id, so that a late retry does nothing either. Not for wishes
    /// that mean the state of their moment, such as a tick: sent again later, they may find something to do.
    fn settles(&self) -> bool {
        true
    }
    /// What it asks for, as far as it matters who may send it.
    fn asks(&self) -> Asks;
    /// Reads what the decision needs beside the aggregate itself.
    fn prepare(
        &self,
        states: &States,
        caller: &Caller,
        own: &Versioned<Self::Entity>,
    ) -> impl Future<Output = Result<Prepared<Self::Entity>, CommandError>> + Send;
}

/// A decision about to be made.
pub(crate) struct Prepared<E: Entity> {
    /// Wraps who, when and where around the wish.
    pub(crate) command: Box<dyn FnOnce(Issued<()>) -> E::Command + Send>,
    /// Other aggregates that the decision relies on: id, version, and whether the state came from memory.
    pub(crate) relied_on: Vec<(Guard, bool)>,
    pub(crate) project_id: Option<ProjectId>,
    /// What the caller is to what the command is about.
    pub(crate) standing: Standing,
    /// A value to claim, with the refusal if it is taken.
    pub(crate) claim: Option<(Claim, Refusal)>,
}

/// Carries out commands.
pub(crate) struct Executor {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) states: States,
    lanes: Lanes<Uuid>,
    histories: Histories,
}

/// One sending of a command.
#[derive(Clone, Copy)]
pub(crate) struct Sending<'a> {
    /// The generation of the log before anything was read for it. A refusal that is decided on what was lost since is not recorded.
    generation: u64,
    pub(crate) how: &'a Circumstances,
    pub(crate) key: Option<&'a CommandKey>,
    /// The line of an import that it is.
    pub(crate) line: Option<&'a Line>,
}

/// One try: either it is settled, or something had moved, or it takes long to see what has changed up to a version.
enum Try {
    Settled(Outcome),
    Stale,
    Unread(i64),
}

impl Executor {
    pub(crate) fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let long = Arc::new(Semaphore::new(log.histories_at_once().max(1)));
        let (states, histories) = (States::new(Arc::clone(&log), Arc::clone(&long)), Histories::new(long));
        Self { log, clock, ids, states, lanes: Lanes::default(), histories }
    }

    /// A sending of a command that is about to be decided.
    pub(crate) fn sending<'a>(&self, how: &'a Circumstances, key: Option<&'a CommandKey>, line: Option<&'a Line>) -> Sending<'a> {
        Sending { generation: *self.log.generation().borrow(), how, key, line }
    }

    /// Carries out a command, or says why not. A command sent before is answered as it was then.
    pub(crate) async fn run<H: Handling>(
        &self,
        how: &Circumstances,
        key: Option<&CommandKey>,
        handling: &H,
    ) -> Result<Outcome, CommandError> {
        let sending = self.sending(how, key, None);
        match self.decide(sending, handling).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.refuse(sending, error).await,
        }
    }

    /// What a command comes to that is not carried out now. If the same request was carried out before, it has the outcome of
    /// then: it may itself have taken away what it needs, even the right to it, and limits may have been tightened since.
    /// The hash covers who sends it. The refusal of a line is recorded.
    pub(crate) async fn refuse(&self, sending: Sending<'_>, error: CommandError) -> Result<Outcome, CommandError> {
        let Some(key) = sending.key.filter(|_| error.may_hide_an_outcome()) else { return Err(error) };
        if let (Some(line), Some(refusal)) = (sending.line, error.refusal()) {
            return self.record(sending, key, line, refusal).await;
        }
        match self.log.settled(sending.how.caller.workspace, key).await? {
            Some(earlier) if earlier.request_hash == key.request_hash => Ok(replayed(earlier)),
            // Who may not send it learns nothing of what others have sent.
            Some(_) if !matches!(error, CommandError::Forbidden(_)) => Err(CommandError::CommandIdReused),
            Some(_) | None => Err(error),
        }
    }

    /// Records that a line was refused, unless it was carried out or refused before: the log says which came first.
    pub(crate) async fn record(
        &self,
        sending: Sending<'_>,
        key: &CommandKey,
        line: &Line,
        refusal: RefusedLine,
    ) -> Result<Outcome, CommandError> {
        let refusal = refusal.storable();
        let unit = Unit {
            generation: sending.generation,
            workspace: sending.how.caller.workspace,
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

    /// Decides a command by what is now, and appends what comes of it.
    pub(crate) async fn decide<H: Handling>(&self, sending: Sending<'_>, handling: &H) -> Result<Outcome, CommandError> {
        let mut changes = Changes::since(handling.expected_version(), H::Entity::KIND, handling.id(), handling.fields());
        let (mut turn, mut retries) = (self.turn(handling).await, 0);
        loop {
            match self.attempt(sending, handling, &mut changes).await? {
                Try::Settled(outcome) => return Ok(outcome),
                Try::Stale if retries == RETRIES_MAX => return Err(CommandError::Contended),
                Try::Stale => {
                    retries += 1;
                    self.pause().await;
                }
                // Others on the aggregate do not wait for that.
                Try::Unread(version) => {
                    drop(turn);
                    self.read(&mut changes, version, &sending.how.caller).await?;
                    turn = self.turn(handling).await;
                }
            }
        }
    }

    /// Reads what has changed up to a version, in turn with everybody who does.
    async fn read(&self, changes: &mut Changes, version: i64, caller: &Caller) -> Result<(), CommandError> {
        let turn = self.histories.turn(caller).await;
        while changes.unread(version) {
            let _step = turn.step().await;
            changes.read(&*self.log, version).await?;
        }
        Ok(())
    }

    /// Waits for the turn of a command. What begins an aggregate waits for nobody.
    async fn turn<H: Handling>(&self, handling: &H) -> Option<Turn<'_, Uuid>> {
        match handling.creates() {
            true => None,
            false => Some(self.lanes.turn(handling.id()).await),
        }
    }

    async fn pause(&self) {
        let jitter = self.ids.new_id().as_u128() as u64 % RETRY_PAUSE_MS_MAX;
        tokio::time::sleep(Duration::from_millis(jitter)).await;
    }

    async fn attempt<H: Handling>(&self, sending: Sending<'_>, handling: &H, changes: &mut Changes) -> Result<Try, CommandError> {
        let Sending { how, key, line, .. } = sending;
        let id = handling.id();
        let own = match handling.creates() {
            true => self.states.absent::<H::Entity>(id),
            false => self.states.get::<H::Entity>(id).await?,
        };
        let prepared = match handling.prepare(&self.states, &how.caller, &own).await {
            Ok(prepared) => prepared,
            Err(error) => return self.stand_by(error, own.generation, &[(guard(&own), own.cached)]).await,
        };
        let mut relied_on = prepared.relied_on;
        // What begins something has seen nothing of it: whether its id is free is for the append to say.
        let seen_own = (!handling.creates()).then_some((guard(&own), own.cached));
        let seen: Vec<_> = seen_own.into_iter().chain(relied_on.iter().copied()).collect();
        let at = Instant::from(how.at.unwrap_or_else(|| self.clock.now()));
        let issued = Issued { by: how.caller.actor, workspace: how.caller.workspace, at, command: () };
        let mut state = (*own.state).clone();
        let sink = EventSink::default();
        let handled = state.handle((prepared.command)(issued), &(), &sink).await;
        let allowed = access::may_do(&how.caller, handling.asks(), prepared.standing);
        let error = match (handled.err().map(|rule| refused(&rule)), allowed) {
            // First of all, so that nothing of another workspace shows.
            (Some(not_found @ CommandError::NotFound(_)), _) => Some(not_found),
            (_, Err(forbidden)) => Some(forbidden),
            // A stale expected version conflicts only where a field that the command sets has changed since.
            (refused, Ok(())) => match changes.conflicts(&*self.log, own.generation, own.version).await? {
                None => return Ok(Try::Unread(own.version)),
                Some(fields) if fields.is_empty() => refused,
                Some(conflicting_fields) => Some(CommandError::Conflict { current_version: own.version, conflicting_fields }),
            },
        };
        if let Some(error) = error {
            return self.stand_by(error, own.generation, &seen).await;
        }

        let events = sink.collect().await;
        let writes = !events.is_empty();
        if !writes {
            relied_on.push((guard(&own), own.cached));
        }
        let metadata = Metadata {
            occurred_at: at,
            actor: how.caller.actor,
            command_id: key.map(|key| key.id),
            correlation_id: how.correlation_id,
            causation_id: how.causation_id,
            traceparent: how.traceparent.clone(),
            project_id: prepared.project_id,
        };
        let unit = Unit {
            generation: own.generation,
            workspace: how.caller.workspace,
            subject: id,
            source: how.source,
            key: key.filter(|_| handling.settles() || writes).cloned(),
            events: self.new_events::<H::Entity>(&own, events, &metadata),
            guards: relied_on.iter().map(|(guard, _)| *guard).collect(),
            // A claim is held by what the events begin: without any there is nothing to hold it.
            claims: prepared.claim.iter().filter(|_| writes).map(|(claim, _)| claim.clone()).collect(),
            releases: vec![],
            line: line.cloned(),
        };
        self.append(unit, handling, own, prepared.claim.map(|(_, taken)| taken)).await
    }

    fn new_events<E: Entity>(&self, own: &Versioned<E>, events: Vec<E::Event>, metadata: &Metadata) -> Vec<NewEvent> {
        (own.version + 1..)
            .zip(events)
            .map(|(version, event)| NewEvent {
                event_id: self.ids.new_id(),
                aggregate_id: own.id,
                version,
                metadata: metadata.clone(),
                event: E::event(event),
            })
            .collect()
    }

    async fn append<H: Handling>(
        &self,
        unit: Unit,
        handling: &H,
        own: Versioned<H::Entity>,
        claim_taken: Option<Refusal>,
    ) -> Result<Try, CommandError> {
        match self.log.append(unit).await? {
            Appended::Done { recorded, position } => {
                let version = own.version + recorded.len() as i64;
                if !recorded.is_empty() {
                    self.keep(own, version, &recorded);
                }
                Ok(Try::Settled(Outcome { aggregate_id: handling.id(), position, version, replayed: false, recorded }))
            }
            Appended::Replayed(earlier) => Ok(Try::Settled(replayed(earlier))),
            Appended::CommandIdReused => Err(CommandError::CommandIdReused),
            Appended::RefusedBefore(refusal) => Err(CommandError::RefusedLine { refusal, before: true }),
            Appended::Outdated => Ok(Try::Stale),
            Appended::ClaimTaken => Err(CommandError::Refused(claim_taken.into_iter().collect())),
            Appended::Moved { aggregate_id, .. } if aggregate_id == own.id && handling.creates() => {
                Err(CommandError::Refused(vec![id_taken()]))
            }
            Appended::Moved { aggregate_id, .. } => {
                self.states.forget(aggregate_id);
                Ok(Try::Stale)
            }
        }
    }

    /// Folds the events as stored, with the numbers that were drawn, into the state and keeps it.
    fn keep<E: Entity>(&self, own: Versioned<E>, version: i64, recorded: &[Arc<Recorded>]) {
        let mut state = own.state;
        let folded = Arc::make_mut(&mut state);
        for event in recorded {
            if let Some(event) = E::own_event(event.event.clone()) {
                folded.apply(event);
            }
        }
        self.states.put(&Versioned { id: own.id, generation: own.generation, version, state, cached: true });
    }

    /// An error stands if what it was decided on is still so.
    async fn stand_by(&self, error: CommandError, generation: u64, seen: &[(Guard, bool)]) -> Result<Try, CommandError> {
        if !seen.iter().any(|(_, cached)| *cached) {
            return Err(error);
        }
        let ids: Vec<Uuid> = seen.iter().map(|(guard, _)| guard.aggregate_id).collect();
        let versions = self.log.versions(&ids).await?;
        if *self.log.generation().borrow() != generation {
            return Ok(Try::Stale);
        }
        let stale = seen.iter().zip(versions).filter(|((guard, _), version)| guard.version != *version);
        let stale: Vec<Uuid> = stale.map(|((guard, _), _)| guard.aggregate_id).collect();
        if stale.is_empty() {
            return Err(error);
        }
        stale.into_iter().for_each(|id| self.states.forget(id));
        Ok(Try::Stale)
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
