//! What the append function must do, in memory and one unit after the other.

use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A unit as the model and the function take it.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) workspace: Uuid,
    pub(super) source: i16,
    pub(super) command: Option<Uuid>,
    pub(super) hash: Vec<u8>,
    pub(super) events: Vec<RequestedEvent>,
    pub(super) guards: Vec<(String, i64)>,
    pub(super) claims: Vec<(String, String)>,
    pub(super) releases: Vec<(String, String)>,
    /// The aggregate of a unit without events, and its version.
    pub(super) subject: (String, i64),
    pub(super) line: Option<RequestedLine>,
}

/// A line of an import: its hash, whether an earlier refusal does not count, and the code of the refusal to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestedLine {
    pub(super) hash: Vec<u8>,
    pub(super) anew: bool,
    pub(super) refusal: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct RequestedEvent {
    pub(super) stream: String,
    pub(super) sequence: i64,
    pub(super) id: Uuid,
    pub(super) draws: Option<String>,
}

impl RequestedEvent {
    /// The payload with the number that was drawn, if it draws one.
    pub(super) fn payload(&self, number: i64) -> String {
        match &self.draws {
            Some(counter) => format!(r#"{{"drawn":{{"number":{number},"of":"{counter}","title":"Ünïcode 0"}}}}"#),
            None => r#"{"plain":{"number":0}}"#.to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Appended { from: i64, to: i64, numbers: Vec<i64> },
    Settled { position: i64 },
    Replayed { from: i64, to: i64, version: i64, aggregate: String },
    IdReused,
    StreamMoved { aggregate: String, found: i64 },
    GuardMoved { aggregate: String, found: i64 },
    ClaimTaken { by: String },
    RefusedBefore { code: String },
}

/// A stored event: position, workspace, stream, sequence, id, payload; then source, command, hash and size of its unit
/// on the first event of the unit.
pub(super) type Row = (i64, Uuid, String, i64, Uuid, String, Option<i16>, Option<Uuid>, Option<Vec<u8>>, Option<i32>);

/// A command: workspace, source and id.
pub(super) type Named = (Uuid, i16, Uuid);

/// A settled command: hash, aggregate, its version and position.
pub(super) type SettledRow = (Vec<u8>, String, i64, i64);

/// A command that is known: hash, first and last position, version and aggregate.
type Known = (Vec<u8>, i64, i64, i64, String);

#[derive(Default)]
pub(super) struct Model {
    /// Version and last position by stream.
    pub(super) streams: HashMap<String, (i64, i64)>,
    pub(super) commands: HashMap<Named, Known>,
    /// Holder and position by workspace, kind and value.
    pub(super) claims: BTreeMap<(Uuid, String, String), (String, i64)>,
    pub(super) counters: BTreeMap<String, i64>,
    pub(super) settled: BTreeMap<Named, SettledRow>,
    /// Codes of refusals, by command and hash of the line.
    pub(super) refused: BTreeMap<(Named, Vec<u8>), String>,
    pub(super) rows: Vec<Row>,
}

impl Request {
    fn named(&self) -> Option<Named> {
        self.command.map(|command| (self.workspace, self.source, command))
    }
}

impl Model {
    fn version(&self, stream: &str) -> i64 {
        self.streams.get(stream).map_or(0, |(version, _)| *version)
    }

    fn objection(&self, request: &Request) -> Option<Answer> {
        let known = request.named().and_then(|key| self.commands.get(&key));
        if let Some((hash, from, to, version, aggregate)) = known
            && *hash == request.hash
        {
            return Some(Answer::Replayed { from: *from, to: *to, version: *version, aggregate: aggregate.clone() });
        }
        if let Some((key, line)) = request.named().zip(request.line.as_ref())
            && let Some(code) = self.refused.get(&(key, line.hash.clone())).filter(|_| !line.anew)
        {
            return Some(Answer::RefusedBefore { code: code.clone() });
        }
        if known.is_some() {
            return Some(Answer::IdReused);
        }
        let mut seen = vec![];
        for event in &request.events {
            let found = self.version(&event.stream);
            if !seen.contains(&&event.stream) && found != event.sequence - 1 {
                return Some(Answer::StreamMoved { aggregate: event.stream.clone(), found });
            }
            seen.push(&event.stream);
        }
        for (aggregate, version) in &request.guards {
            let found = self.version(aggregate);
            if found != *version {
                return Some(Answer::GuardMoved { aggregate: aggregate.clone(), found });
            }
        }
        let held = |claim: &(String, String)| self.claims.get(&(request.workspace, claim.0.clone(), claim.1.clone()));
        request.claims.iter().find_map(held).map(|(by, _)| Answer::ClaimTaken { by: by.clone() })
    }

    /// Takes one unit on the present state.
    pub(super) fn apply(&mut self, request: &Request) -> Answer {
        if let Some(objection) = self.objection(request) {
            return objection;
        }
        let line = request.named().zip(request.line.as_ref());
        if let Some((key, RequestedLine { hash, refusal: Some(code), .. })) = line {
            self.refused.insert((key, hash.clone()), code.clone());
            return Answer::Settled { position: 0 };
        }
        if request.events.is_empty() {
            return self.settle(request);
        }
        let (from, to) = (self.rows.len() as i64 + 1, (self.rows.len() + request.events.len()) as i64);
        let mut numbers = vec![];
        for (index, event) in request.events.iter().enumerate() {
            let mut number = 0;
            if let Some(counter) = &event.draws {
                let last = self.counters.entry(counter.clone()).or_default();
                *last += 1;
                number = *last;
                numbers.push(number);
            }
            let position = from + index as i64;
            self.streams.insert(event.stream.clone(), (event.sequence, position));
            let first = index == 0;
            self.rows.push((
                position,
                request.workspace,
                event.stream.clone(),
                event.sequence,
                event.id,
                event.payload(number),
                first.then_some(request.source),
                request.command.filter(|_| first),
                request.command.filter(|_| first).map(|_| request.hash.clone()),
                first.then_some(request.events.len() as i32),
            ));
        }
        self.keep(request, from, to);
        Answer::Appended { from, to, numbers }
    }

    fn keep(&mut self, request: &Request, from: i64, to: i64) {
        let subject = &request.events[0].stream;
        for (kind, value) in &request.releases {
            self.claims.remove(&(request.workspace, kind.clone(), value.clone()));
        }
        for (kind, value) in &request.claims {
            self.claims.insert((request.workspace, kind.clone(), value.clone()), (subject.clone(), from));
        }
        if let Some(command) = request.command {
            let known = (request.hash.clone(), from, to, self.version(subject), subject.clone());
            self.commands.insert((request.workspace, request.source, command), known);
        }
    }

    fn settle(&mut self, request: &Request) -> Answer {
        let (aggregate, version) = request.subject.clone();
        let position = self.streams.get(&aggregate).map_or(0, |(_, position)| *position);
        if let Some(command) = request.command {
            let key = (request.workspace, request.source, command);
            self.commands.insert(key, (request.hash.clone(), position, position, version, aggregate.clone()));
            self.settled.insert(key, (request.hash.clone(), aggregate, version, position));
        }
        Answer::Settled { position }
    }
}
