//! Random batches: mostly sensible, with a few of every kind of mistake.

use super::reference::{Answer, Named, Request, RequestedEvent, RequestedLine};
use std::collections::HashMap;
use std::sync::Mutex;
use tests::dice::Dice;
use uuid::Uuid;

const UNITS_MAX: usize = 20;

/// The id of a command that was sent, its request's hash, and its line if it was of an import.
type Sent = (Named, Vec<u8>, Option<RequestedLine>);

/// What all writers know of the log, which may be out of date.
pub(super) struct Rumours {
    workspaces: Vec<Uuid>,
    streams: Vec<String>,
    versions: Mutex<HashMap<String, i64>>,
    commands: Mutex<Vec<Sent>>,
}

impl Rumours {
    pub(super) fn new() -> Self {
        Self {
            workspaces: vec![Uuid::now_v7(), Uuid::now_v7()],
            streams: (0..40).map(|_| Uuid::now_v7().to_string()).collect(),
            versions: Mutex::default(),
            commands: Mutex::default(),
        }
    }

    fn version(&self, stream: &str) -> i64 {
        self.versions.lock().expect("no panic").get(stream).copied().unwrap_or(0)
    }

    /// Spreads what an answer tells.
    pub(super) fn heard(&self, request: &Request, answer: &Answer) {
        let mut versions = self.versions.lock().expect("no panic");
        match answer {
            Answer::Appended { .. } => request.events.iter().for_each(|event| {
                let known = versions.entry(event.stream.clone()).or_default();
                *known = (*known).max(event.sequence);
            }),
            Answer::StreamMoved { aggregate, found } | Answer::GuardMoved { aggregate, found } => {
                versions.insert(aggregate.clone(), *found);
            }
            Answer::Settled { .. }
            | Answer::Replayed { .. }
            | Answer::IdReused
            | Answer::ClaimTaken { .. }
            | Answer::RefusedBefore { .. } => {}
        }
    }

    /// A batch in which no two units touch the same thing: the function's caller promises that.
    pub(super) fn batch(&self, dice: &mut Dice) -> Vec<Request> {
        let careless = dice.percent(50);
        let mut touched = Touched::default();
        let units = 1 + dice.below(UNITS_MAX);
        (0..units).map(|_| self.request(dice, careless)).filter(|request| touched.admit(request)).collect()
    }

    fn request(&self, dice: &mut Dice, careless: bool) -> Request {
        let mut request = Request {
            workspace: *dice.one_of(&self.workspaces),
            source: 1 + dice.below(2) as i16,
            command: dice.percent(80).then(Uuid::now_v7),
            hash: vec![dice.below(2) as u8; 32],
            ..Request::default()
        };
        let off = |dice: &mut Dice| if careless && dice.percent(8) { dice.below(3) as i64 - 1 } else { 0 };
        if dice.percent(15) {
            let subject = dice.one_of(&self.streams).clone();
            let version = (self.version(&subject) + off(dice)).max(0);
            request.guards.push((subject.clone(), version));
            request.subject = (subject, version);
        } else {
            self.add_events(&mut request, dice, off);
        }
        if dice.percent(30) {
            for _ in 0..=dice.below(2) {
                let aggregate = dice.one_of(&self.streams).clone();
                if !request.events.iter().any(|event| event.stream == aggregate) {
                    let version = self.version(&aggregate) + off(dice);
                    request.guards.push((aggregate, version));
                }
            }
        }
        if request.command.is_some() && dice.percent(40) {
            self.make_line(&mut request, dice);
        }
        self.retry(&mut request, dice, careless);
        request
    }

    /// A line of an import, and often the refusal of one.
    fn make_line(&self, request: &mut Request, dice: &mut Dice) {
        let refusal = dice.percent(40).then(|| format!("CODE_{}", dice.below(1_000)));
        if refusal.is_some() {
            let (workspace, source, command, hash) = (request.workspace, request.source, request.command, request.hash.clone());
            *request = Request { workspace, source, command, hash, subject: (Uuid::nil().to_string(), 0), ..Request::default() };
        }
        request.line = Some(RequestedLine { hash: vec![dice.below(2) as u8; 32], anew: dice.percent(35), refusal });
    }

    fn add_events(&self, request: &mut Request, dice: &mut Dice, off: impl Fn(&mut Dice) -> i64) {
        let mut next: Vec<(String, i64)> = vec![];
        for _ in 0..if dice.percent(70) { 1 } else { 2 + dice.below(2) } {
            let stream = dice.one_of(&self.streams).clone();
            if !next.iter().any(|(known, _)| *known == stream) {
                let version = (self.version(&stream) + off(dice)).max(0);
                next.push((stream, version));
            }
        }
        for index in 0..next.len().max(1 + dice.below(4)) {
            let place = if index < next.len() { index } else { dice.below(next.len()) };
            let (stream, version) = &mut next[place];
            *version += 1;
            let draws = dice.percent(25).then(|| format!("counter {}", dice.below(3)));
            request.events.push(RequestedEvent { stream: stream.clone(), sequence: *version, id: Uuid::now_v7(), draws });
        }
        let value = |dice: &mut Dice| ("key".to_owned(), format!("value {}", dice.below(8)));
        if dice.percent(20) {
            request.claims.push(value(dice));
        }
        if dice.percent(20) {
            request.releases.push(value(dice));
        }
        if dice.percent(5) {
            let claim = value(dice);
            if !request.claims.contains(&claim) {
                request.claims.push(claim);
            }
        }
    }

    /// Now and then takes the id of an earlier command, mostly with its request.
    fn retry(&self, request: &mut Request, dice: &mut Dice, careless: bool) {
        let mut commands = self.commands.lock().expect("no panic");
        // Lines are sent again as a matter of course.
        let fits = |known: &&Sent| known.2.is_some() == request.line.is_some();
        let again: Vec<_> = commands.iter().filter(fits).collect();
        let often = if request.line.is_some() { 30 } else { 12 };
        if (careless || request.line.is_some()) && dice.percent(often) && !again.is_empty() {
            let ((workspace, source, command), hash, line) = (*dice.one_of(&again)).clone();
            (request.workspace, request.source, request.command) = (workspace, source, Some(command));
            // The same line, now with what came of it this time; now and then one that was changed under its id.
            if let (Some(mine), Some(line)) = (&mut request.line, line)
                && dice.percent(60)
            {
                mine.hash = line.hash;
            }
            if dice.percent(70) {
                request.hash = hash;
            }
        } else if let Some(command) = request.command {
            commands.push(((request.workspace, request.source, command), request.hash.clone(), request.line.clone()));
        }
    }
}

/// The rule of which units may share a batch.
#[derive(Default)]
struct Touched {
    written: Vec<String>,
    relied_on: Vec<String>,
}

impl Touched {
    fn admit(&mut self, request: &Request) -> bool {
        let streams = request.events.iter().map(|event| event.stream.clone());
        let command = request.command.map(|command| format!("{} {} {command}", request.workspace, request.source));
        let claims = request.claims.iter().chain(&request.releases).map(|claim| format!("{} {claim:?}", request.workspace));
        let written: Vec<String> = streams.chain(command).chain(claims).collect();
        let relied_on: Vec<String> = request.guards.iter().map(|(aggregate, _)| aggregate.clone()).collect();
        let free = !written.iter().any(|thing| self.written.contains(thing) || self.relied_on.contains(thing))
            && !relied_on.iter().any(|thing| self.written.contains(thing));
        if free {
            self.written.extend(written);
            self.relied_on.extend(relied_on);
        }
        free
    }
}
