//! Random batches: mostly sensible, with a few of every kind of mistake.

use super::reference::{Answer, Named, Wish, WishedEvent, WishedLine};
use std::collections::HashMap;
use std::sync::Mutex;
use tests::dice::Dice;
use uuid::Uuid;

const UNITS_MAX: usize = 20;

/// The id of a command that was sent, its request's hash, and its line if it was of an import.
type Sent = (Named, Vec<u8>, Option<WishedLine>);

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
    pub(super) fn heard(&self, wish: &Wish, answer: &Answer) {
        let mut versions = self.versions.lock().expect("no panic");
        match answer {
            Answer::Appended { .. } => wish.events.iter().for_each(|event| {
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
    pub(super) fn batch(&self, dice: &mut Dice) -> Vec<Wish> {
        let careless = dice.percent(50);
        let mut touched = Touched::default();
        let units = 1 + dice.below(UNITS_MAX);
        (0..units).map(|_| self.wish(dice, careless)).filter(|wish| touched.admit(wish)).collect()
    }

    fn wish(&self, dice: &mut Dice, careless: bool) -> Wish {
        let mut wish = Wish {
            workspace: *dice.one_of(&self.workspaces),
            source: 1 + dice.below(2) as i16,
            command: dice.percent(80).then(Uuid::now_v7),
            hash: vec![dice.below(2) as u8; 32],
            ..Wish::default()
        };
        let off = |dice: &mut Dice| if careless && dice.percent(8) { dice.below(3) as i64 - 1 } else { 0 };
        if dice.percent(15) {
            let subject = dice.one_of(&self.streams).clone();
            let version = (self.version(&subject) + off(dice)).max(0);
            wish.guards.push((subject.clone(), version));
            wish.subject = (subject, version);
        } else {
            self.add_events(&mut wish, dice, off);
        }
        if dice.percent(30) {
            for _ in 0..=dice.below(2) {
                let aggregate = dice.one_of(&self.streams).clone();
                if !wish.events.iter().any(|event| event.stream == aggregate) {
                    let version = self.version(&aggregate) + off(dice);
                    wish.guards.push((aggregate, version));
                }
            }
        }
        if wish.command.is_some() && dice.percent(40) {
            self.make_line(&mut wish, dice);
        }
        self.retry(&mut wish, dice, careless);
        wish
    }

    /// A line of an import, and often the refusal of one.
    fn make_line(&self, wish: &mut Wish, dice: &mut Dice) {
        let refusal = dice.percent(40).then(|| format!("CODE_{}", dice.below(1_000)));
        if refusal.is_some() {
            let (workspace, source, command, hash) = (wish.workspace, wish.source, wish.command, wish.hash.clone());
            *wish = Wish { workspace, source, command, hash, subject: (Uuid::nil().to_string(), 0), ..Wish::default() };
        }
        wish.line = Some(WishedLine { hash: vec![dice.below(2) as u8; 32], anew: dice.percent(35), refusal });
    }

    fn add_events(&self, wish: &mut Wish, dice: &mut Dice, off: impl Fn(&mut Dice) -> i64) {
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
            wish.events.push(WishedEvent { stream: stream.clone(), sequence: *version, id: Uuid::now_v7(), draws });
        }
        let value = |dice: &mut Dice| ("key".to_owned(), format!("value {}", dice.below(8)));
        if dice.percent(20) {
            wish.claims.push(value(dice));
        }
        if dice.percent(20) {
            wish.releases.push(value(dice));
        }
        if dice.percent(5) {
            let claim = value(dice);
            if !wish.claims.contains(&claim) {
                wish.claims.push(claim);
            }
        }
    }

    /// Now and then takes the id of an earlier command, mostly with its request.
    fn retry(&self, wish: &mut Wish, dice: &mut Dice, careless: bool) {
        let mut commands = self.commands.lock().expect("no panic");
        // Lines are sent again as a matter of course.
        let fits = |known: &&Sent| known.2.is_some() == wish.line.is_some();
        let again: Vec<_> = commands.iter().filter(fits).collect();
        let often = if wish.line.is_some() { 30 } else { 12 };
        if (careless || wish.line.is_some()) && dice.percent(often) && !again.is_empty() {
            let ((workspace, source, command), hash, line) = (*dice.one_of(&again)).clone();
            (wish.workspace, wish.source, wish.command) = (workspace, source, Some(command));
            // The same line, now with what came of it this time; now and then one that was changed under its id.
            if let (Some(mine), Some(line)) = (&mut wish.line, line)
                && dice.percent(60)
            {
                mine.hash = line.hash;
            }
            if dice.percent(70) {
                wish.hash = hash;
            }
        } else if let Some(command) = wish.command {
            commands.push(((wish.workspace, wish.source, command), wish.hash.clone(), wish.line.clone()));
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
    fn admit(&mut self, wish: &Wish) -> bool {
        let streams = wish.events.iter().map(|event| event.stream.clone());
        let command = wish.command.map(|command| format!("{} {} {command}", wish.workspace, wish.source));
        let claims = wish.claims.iter().chain(&wish.releases).map(|claim| format!("{} {claim:?}", wish.workspace));
        let written: Vec<String> = streams.chain(command).chain(claims).collect();
        let relied_on: Vec<String> = wish.guards.iter().map(|(aggregate, _)| aggregate.clone()).collect();
        let free = !written.iter().any(|thing| self.written.contains(thing) || self.relied_on.contains(thing))
            && !relied_on.iter().any(|thing| self.written.contains(thing));
        if free {
            self.written.extend(written);
            self.relied_on.extend(relied_on);
        }
        free
    }
}
