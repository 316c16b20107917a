//! A log in memory, a clock that stands and ids that count: the application without a world.

use crate::Application;
use crate::caller::{Caller, Circumstances, Role, Source};
use crate::command::Command;
use crate::error::CommandError;
use crate::executor::Outcome;
use crate::ports::{Appended, Claim, Clock, CommandKey, EventLog, Ids, LogError, RecordedStep, RefusedLine, Settled, Step, Unit};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::event::{AggregateType, Event, Fact, Recorded};
use domain::ids::{UserId, WorkspaceId};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use uuid::Uuid;

/// When everything happens, unless a test sets another time.
pub(crate) const NOW: &str = "2031-03-01T12:00:00Z";

/// Most events of a step of a stream: few, so that every test of a longer history reads several.
pub(crate) const STEP_EVENTS: usize = 3;

/// Histories that are read at the same time.
pub(crate) const HISTORIES_AT_ONCE: usize = 2;

/// Somebody of the one workspace, with a role.
pub(crate) fn caller(role: Role) -> Caller {
    Caller { actor: UserId(Uuid::from_u128(1)), workspace: WorkspaceId(Uuid::from_u128(2)), role }
}

/// A command as callers send it: the mutation's name and its input.
pub(crate) fn command(name: &str, input: Value) -> Command {
    serde_json::from_value(json!({ "command": name, "input": input })).expect("a command")
}

/// Keeps events as the real log does, and remembers every unit it was asked to append.
#[derive(Default)]
pub(crate) struct MemoryLog {
    kept: Mutex<Kept>,
    head: watch::Sender<i64>,
    /// So many of the next units are never answered.
    pub(crate) silent: AtomicU64,
    /// Is raised when a test replaces the log.
    pub(crate) generation: watch::Sender<u64>,
    /// While it is true, events are not read by their names.
    pub(crate) holds_reads: watch::Sender<bool>,
    /// How often events were to be read by their names.
    pub(crate) reads: watch::Sender<u64>,
    /// While it is true, no step of a stream is read but the first.
    pub(crate) holds_steps: watch::Sender<bool>,
    /// How often such a step was to be read.
    pub(crate) steps: AtomicU64,
}

#[derive(Default)]
struct Kept {
    events: Vec<Arc<Recorded>>,
    commands: HashMap<(i16, Uuid), Settled>,
    claims: HashMap<(&'static str, String), Uuid>,
    /// Whether the next question for a holder is answered as if there were none.
    hides_holder: bool,
    refused: HashMap<(Uuid, [u8; 32]), RefusedLine>,
    asked: Vec<Unit>,
    /// The names of the events that were read by their names.
    read: Vec<&'static str>,
    /// Answers to give before any unit is examined.
    planned: VecDeque<Result<Appended, LogError>>,
}

impl MemoryLog {
    /// Gives these answers to the next units, without looking at them.
    pub(crate) fn plan(&self, answers: impl IntoIterator<Item = Result<Appended, LogError>>) {
        self.kept.lock().expect("no panic").planned.extend(answers);
    }

    /// Knows a command as carried out.
    pub(crate) fn settle(&self, source: Source, id: Uuid, settled: Settled) {
        self.kept.lock().expect("no panic").commands.insert((source.number(), id), settled);
    }

    /// The next question for the holder of a claim is answered as if there were none.
    pub(crate) fn hide_holder_once(&self) {
        self.kept.lock().expect("no panic").hides_holder = true;
    }

    /// Loses the newest event.
    pub(crate) fn lose_last(&self) {
        self.kept.lock().expect("no panic").events.pop();
    }

    /// Every unit so far.
    pub(crate) fn asked(&self) -> Vec<Unit> {
        self.kept.lock().expect("no panic").asked.clone()
    }

    /// The names of the events that were read by their names since this was last called.
    pub(crate) fn take_read(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.kept.lock().expect("no panic").read)
    }

    /// The events so far.
    pub(crate) fn events(&self) -> Vec<Arc<Recorded>> {
        self.kept.lock().expect("no panic").events.clone()
    }

    /// The names of the events so far.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.kept.lock().expect("no panic").events.iter().map(|event| event.event.name()).collect()
    }
}

impl Kept {
    fn version(&self, id: Uuid) -> i64 {
        self.events.iter().filter(|event| event.aggregate_id == id).count() as i64
    }

    fn append(&mut self, unit: Unit) -> Appended {
        if let Some(key) = &unit.key
            && let Some(earlier) = self.commands.get(&(key.source.number(), key.id))
        {
            let refused = unit.line.as_ref().filter(|line| !line.anew).and_then(|line| self.refused.get(&(key.id, line.hash)));
            return match (earlier.request_hash == key.request_hash, refused) {
                (true, _) => Appended::Replayed(earlier.clone()),
                (false, Some(refusal)) => Appended::RefusedBefore(refusal.clone()),
                (false, None) => Appended::CommandIdReused,
            };
        }
        if let (Some(key), Some(line)) = (&unit.key, unit.line) {
            if let Some(refusal) = self.refused.get(&(key.id, line.hash)).filter(|_| !line.anew) {
                return Appended::RefusedBefore(refusal.clone());
            }
            if let Some(refusal) = line.refusal {
                self.refused.insert((key.id, line.hash), refusal);
                return Appended::Done { recorded: vec![], position: self.events.len() as i64 };
            }
        }
        let written = unit.events.first().map(|new| (new.aggregate_id, new.version - 1));
        for (aggregate_id, version) in written.into_iter().chain(unit.guards.iter().map(|guard| (guard.aggregate_id, guard.version))) {
            let found = self.version(aggregate_id);
            if found != version {
                return Appended::Moved { aggregate_id, found };
            }
        }
        if unit.claims.iter().any(|claim| self.claims.contains_key(&(claim.kind, claim.value.clone()))) {
            return Appended::ClaimTaken;
        }
        let begun = unit.events.first().map(|new| new.aggregate_id);
        self.claims.extend(unit.claims.iter().filter_map(|claim| Some(((claim.kind, claim.value.clone()), begun?))));
        let first = self.events.len();
        for new in unit.events {
            let drawn = self.events.iter().filter(|event| new.event.draw().is_some() && event.event.draw() == new.event.draw()).count();
            self.events.push(Arc::new(Recorded {
                position: self.events.len() as i64 + 1,
                workspace_id: unit.workspace,
                aggregate_id: new.aggregate_id,
                version: new.version,
                event_id: new.event_id,
                recorded_at: new.metadata.occurred_at.utc(),
                metadata: new.metadata,
                event: new.event.with_drawn(drawn as u32 + 1),
            }));
        }
        let position = self.events.len() as i64;
        if let Some(key) = unit.key {
            let version = self.version(unit.subject);
            let settled = Settled { aggregate_id: unit.subject, position, version, request_hash: key.request_hash };
            self.commands.insert((key.source.number(), key.id), settled);
        }
        Appended::Done { recorded: self.events[first..].to_vec(), position }
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, unit: Unit) -> Result<Appended, LogError> {
        if self.silent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            std::future::pending::<()>().await;
        }
        let mut kept = self.kept.lock().expect("no panic");
        kept.asked.push(unit.clone());
        match kept.planned.pop_front() {
            Some(answer) => answer,
            None => {
                let appended = kept.append(unit);
                self.head.send_replace(kept.events.len() as i64);
                Ok(appended)
            }
        }
    }

    async fn stream(&self, kind: AggregateType, id: Uuid, after: i64) -> Result<Step, LogError> {
        if after > 0 {
            self.steps.fetch_add(1, Ordering::SeqCst);
            let _ = self.holds_steps.subscribe().wait_for(|holds| !holds).await;
        }
        let events = self.stream_after(id, after).await?.into_iter().map(|recorded| recorded.event.clone());
        let events: Vec<Event> = events.filter(|event| event.aggregate_type() == kind).collect();
        Ok(Step { more: events.len() == STEP_EVENTS, events })
    }

    async fn stream_after(&self, id: Uuid, version: i64) -> Result<Vec<Arc<Recorded>>, LogError> {
        let kept = self.kept.lock().expect("no panic");
        let after = kept.events.iter().filter(|event| event.aggregate_id == id && event.version > version);
        Ok(after.take(STEP_EVENTS).cloned().collect())
    }

    async fn stream_of(&self, id: Uuid, version: i64, names: &[&'static str]) -> Result<RecordedStep, LogError> {
        self.reads.send_modify(|reads| *reads += 1);
        let _ = self.holds_reads.subscribe().wait_for(|holds| !holds).await;
        let mut kept = self.kept.lock().expect("no panic");
        let of_these = |event: &&Arc<Recorded>| event.aggregate_id == id && event.version > version && names.contains(&event.event.name());
        let events: Vec<_> = kept.events.iter().filter(of_these).take(STEP_EVENTS).cloned().collect();
        kept.read.extend(events.iter().map(|event| event.event.name()));
        Ok(RecordedStep { more: events.len() == STEP_EVENTS, events })
    }

    fn histories_at_once(&self) -> usize {
        HISTORIES_AT_ONCE
    }

    async fn versions(&self, ids: &[Uuid]) -> Result<Vec<i64>, LogError> {
        let kept = self.kept.lock().expect("no panic");
        Ok(ids.iter().map(|id| kept.version(*id)).collect())
    }

    async fn holder(&self, _: WorkspaceId, claim: &Claim) -> Result<Option<Uuid>, LogError> {
        let mut kept = self.kept.lock().expect("no panic");
        if std::mem::take(&mut kept.hides_holder) { Ok(None) } else { Ok(kept.claims.get(&(claim.kind, claim.value.clone())).copied()) }
    }

    async fn settled(&self, _: WorkspaceId, key: &CommandKey) -> Result<Option<Settled>, LogError> {
        Ok(self.kept.lock().expect("no panic").commands.get(&(key.source.number(), key.id)).cloned())
    }

    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Arc<Fact>>, LogError> {
        let fact = |recorded: &Arc<Recorded>| {
            Arc::new(Fact {
                position: recorded.position,
                event_id: recorded.event_id,
                aggregate_id: recorded.aggregate_id,
                event_type: recorded.event.name().to_owned(),
                recorded: Ok(Arc::clone(recorded)),
            })
        };
        let kept = self.kept.lock().expect("no panic");
        Ok(kept.events.iter().filter(|event| event.position > position).take(limit).map(fact).collect())
    }

    fn head(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}

struct Standing;

#[async_trait]
impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        NOW.parse().expect("a moment")
    }

    async fn sleep_until(&self, _: DateTime<Utc>) {}
}

/// Ids are shared by the nodes of a test, so each has a beginning of its own.
pub(crate) struct Counting(AtomicU64);

impl From<u64> for Counting {
    /// Those of a node, by its number.
    fn from(node: u64) -> Self {
        Self(AtomicU64::new(node << 32))
    }
}

impl Ids for Counting {
    fn new_id(&self) -> Uuid {
        Uuid::from_u64_pair(self.0.load(Ordering::SeqCst) >> 32, self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// A node on a log. Nodes with different numbers make different ids.
pub(crate) fn node(log: &Arc<MemoryLog>, number: u64) -> Application {
    Application::new(log.clone(), Arc::new(Standing), Arc::new(Counting::from(number)))
}

/// The circumstances of a client's command.
pub(crate) fn by(caller: Caller) -> Circumstances {
    Circumstances { caller, source: Source::Client, at: None, correlation_id: Uuid::nil(), causation_id: None, traceparent: None }
}

/// Sends a command as an owner.
pub(crate) async fn send(node: &Application, name: &str, input: Value) -> Result<Outcome, CommandError> {
    node.execute(by(caller(Role::Owner)), command(name, input)).await
}

/// The id of a new project under a key.
pub(crate) async fn project(node: &Application, key: &str) -> Uuid {
    send(node, "projectCreate", json!({ "key": key, "name": "A project" })).await.expect("a project").aggregate_id
}

/// The id of a new task.
pub(crate) async fn task(node: &Application, project: Uuid, title: &str) -> Uuid {
    send(node, "taskCreate", json!({ "projectId": project, "title": title })).await.expect("a task").aggregate_id
}
