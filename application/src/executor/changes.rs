//! What has changed in an aggregate since the version that a command expects.
//!
//! A stream has no bound. It is read in steps, of which only the names of fields are retained. Events that change none of the fields in
//! question, or only fields that are known to have changed, are not read.

use crate::ports::{EventLog, LogError};
use domain::event::AggregateType;
use domain::fields::Fields;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Most versions that are read while other commands on the aggregate wait.
pub const WAITED_FOR_MAX: i64 = 64;

/// The fields of an aggregate that a command sets and that have changed.
pub(super) struct Changes {
    kind: AggregateType,
    id: Uuid,
    /// What the command sets.
    fields: Fields,
    /// The version that the command expects, unless it expects none.
    expected: Option<i64>,
    /// The generation of the log in which they were read.
    generation: u64,
    /// The version up to which everything is known.
    seen: i64,
    names: BTreeSet<&'static str>,
}

impl Changes {
    /// None is known yet.
    pub(super) fn since(expected: Option<i64>, kind: AggregateType, id: Uuid, fields: Fields) -> Self {
        Self { kind, id, fields, expected, generation: 0, seen: expected.unwrap_or(0), names: BTreeSet::new() }
    }

    /// The names of the fields that conflict with a version, or `None` if that takes more reading than other
    /// commands should wait for.
    pub(super) async fn conflicts(
        &mut self,
        log: &dyn EventLog,
        generation: u64,
        version: i64,
    ) -> Result<Option<Vec<&'static str>>, LogError> {
        match self.expected {
            None => return Ok(Some(vec![])),
            Some(expected) if expected == version => return Ok(Some(vec![])),
            Some(expected) if expected > version || expected < 1 => return Ok(Some(vec!["version"])),
            Some(expected) if generation != self.generation => {
                (self.generation, self.seen) = (generation, expected);
                self.names.clear();
            }
            Some(_) => {}
        }
        if version - self.seen > WAITED_FOR_MAX && !self.relevant().is_empty() {
            return Ok(None);
        }
        while self.unread(version) {
            self.read(log, version).await?;
        }
        Ok(Some(self.names.iter().copied().collect()))
    }

    /// Whether an event up to a version is not read and could change the result.
    pub(super) fn unread(&self, version: i64) -> bool {
        self.seen < version && !self.relevant().is_empty()
    }

    /// Reads a step of what is not read up to a version.
    pub(super) async fn read(&mut self, log: &dyn EventLog, version: i64) -> Result<(), LogError> {
        let step = log.stream_of(self.id, self.seen, &self.relevant()).await?;
        self.names.extend(step.events.iter().flat_map(|recorded| recorded.event.fields().shared(&self.fields)));
        let last = step.events.last().map_or(self.seen, |last| last.version);
        self.seen = if step.more { last } else { version.max(last) };
        Ok(())
    }

    /// The names of the events that could change the result.
    fn relevant(&self) -> Vec<&'static str> {
        let names = self.kind.event_names().iter().copied();
        names.filter(|name| self.kind.fields_of(name).shared(&self.fields).iter().any(|field| !self.names.contains(field))).collect()
    }
}
