//! Which topics there are: a TOML file, with a built-in default.

#[cfg(test)]
mod tests;

use domain::event::AggregateType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use thiserror::Error;

/// The built-in catalogue.
pub const DEFAULT: &str = include_str!("topics.toml");

/// The topics of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Stands before every topic's name.
    #[serde(default)]
    pub prefix: String,
    #[serde(rename = "topic")]
    pub topics: Vec<Topic>,
    /// Where the relay keeps its position.
    pub relay: RelayTopic,
}

/// A topic that events go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    pub name: String,
    pub partitions: i32,
    /// Copies of each partition; -1 leaves it to the brokers.
    #[serde(default = "left_to_brokers")]
    pub replication: i32,
    pub retention_ms: i64,
    /// The events that go there, by type.
    #[serde(default)]
    pub events: Vec<String>,
    /// Aggregates whose events go there, all of them; as the file is read they join `events`.
    #[serde(default, skip_serializing)]
    aggregates: Vec<String>,
}

/// The topics of the relay itself, of one partition each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayTopic {
    /// Compacted: how far the relay is.
    pub name: String,
    /// Events that an admin has left out, without their payload.
    #[serde(default = "dead_letters")]
    pub dead_letters: String,
    #[serde(default = "left_to_brokers")]
    pub replication: i32,
}

/// Brokers count copies in 16 bits.
const REPLICATION_MAX: i32 = 32_767;

fn dead_letters() -> String {
    "milepost.relay.dlt".to_owned()
}

fn left_to_brokers() -> i32 {
    -1
}

/// A catalogue that cannot be used.
#[derive(Debug, Error)]
pub enum CatalogueError {
    #[error("MILEPOST_TOPICS: the file {path} cannot be read: {reason}")]
    File { path: String, reason: String },
    #[error("the topic catalogue cannot be parsed: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("topic {topic}: {problem}")]
    Topic { topic: String, problem: String },
}

impl Catalogue {
    /// The built-in one, or that of a file.
    pub fn read(path: &str) -> Result<Self, CatalogueError> {
        if path.is_empty() {
            return Self::parse(DEFAULT);
        }
        let text = std::fs::read_to_string(Path::new(path))
            .map_err(|error| CatalogueError::File { path: path.to_owned(), reason: error.to_string() })?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, CatalogueError> {
        let mut catalogue: Self = toml::from_str(text)?;
        catalogue.topics.iter_mut().try_for_each(Topic::name_events)?;
        catalogue.check()?;
        Ok(catalogue)
    }

    fn check(&self) -> Result<(), CatalogueError> {
        let problem = |topic: &str, problem: String| Err(CatalogueError::Topic { topic: topic.to_owned(), problem });
        let mut names = BTreeSet::new();
        let known: BTreeSet<&str> = AggregateType::ALL.into_iter().flat_map(AggregateType::event_names).copied().collect();
        let mut routed = BTreeSet::new();
        let relay = [&self.relay.name, &self.relay.dead_letters].map(|name| (name, self.relay.replication));
        for (name, replication) in self.topics.iter().map(|topic| (&topic.name, topic.replication)).chain(relay) {
            if name.is_empty() || !is_topic_name(&self.full_name(name)) {
                return problem(name, "a name has 1 to 249 letters, digits, dots, dashes and underscores".to_owned());
            }
            if !names.insert(name) {
                return problem(name, "two topics have this name".to_owned());
            }
            if replication != left_to_brokers() && !(1..=REPLICATION_MAX).contains(&replication) {
                let expected = format!("expected 1 to {REPLICATION_MAX}, or -1 to leave it to the brokers");
                return problem(name, format!("replication is {replication}: {expected}"));
            }
        }
        for topic in &self.topics {
            if topic.retention_ms < -1 {
                return problem(&topic.name, format!("retention_ms is {}: expected 0 or more, or -1 for ever", topic.retention_ms));
            }
            if topic.partitions < 1 {
                return problem(&topic.name, format!("partitions is {}: expected 1 or more", topic.partitions));
            }
            if let Some(event) = topic.events.iter().find(|event| !known.contains(event.as_str())) {
                return problem(&topic.name, format!("{event:?} is not an event"));
            }
            // An event that goes to two topics would be at two places of one order.
            if let Some(event) = topic.events.iter().find(|event| !routed.insert(event.as_str())) {
                return problem(&topic.name, format!("the event {event:?} goes to another topic already"));
            }
        }
        match known.difference(&routed).next() {
            Some(lost) => problem("(none)", format!("the event {lost:?} goes to no topic; every event is published")),
            None => Ok(()),
        }
    }

    /// The full name of a topic.
    pub fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The full name of the relay's topic.
    pub fn relay_topic(&self) -> String {
        self.full_name(&self.relay.name)
    }

    /// The full name of the topic of events that were left out.
    pub fn dead_letter_topic(&self) -> String {
        self.full_name(&self.relay.dead_letters)
    }

    /// The topic that events of a type go to.
    pub fn topic_of(&self, event_type: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.events.iter().any(|event| event == event_type))
    }
}

impl Topic {
    /// Puts the events of its aggregates in place of these.
    fn name_events(&mut self) -> Result<(), CatalogueError> {
        for word in std::mem::take(&mut self.aggregates) {
            let Some(aggregate) = AggregateType::from_word(&word) else {
                let known = AggregateType::ALL.map(AggregateType::word).join(", ");
                return Err(CatalogueError::Topic {
                    topic: self.name.clone(),
                    problem: format!("{word:?} is not an aggregate; the aggregates are {known}"),
                });
            };
            self.events.extend(aggregate.event_names().iter().map(|name| (*name).to_owned()));
        }
        Ok(())
    }
}

fn is_topic_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&name.len()) && name.chars().all(legal) && name != "." && name != ".."
}
