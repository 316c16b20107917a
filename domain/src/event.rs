//! Any event, and an event with all the data that the log has about it.

use crate::fields::Fields;
use crate::ids::{ProjectId, UserId, WorkspaceId};
use crate::project::ProjectEvent;
use crate::schedule::ScheduleEvent;
use crate::shapes::{self, EventVersion, Upcaster};
use crate::task::TaskEvent;
use crate::values::Instant;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::sync::Arc;
use thiserror::Error;
use uuid::Uuid;

/// Gives a macro the aggregates, a row for each: the name of its state, its events, and the word for it in the log and on
/// Kafka, which never changes. `aggregates` makes [`Event`] and [`AggregateType`] of them; other crates give macros of their own
/// where each aggregate needs the same.
#[macro_export]
macro_rules! for_each_aggregate {
    ($define:ident) => {
        $define! {
            Project(ProjectEvent) = "project",
            Task(TaskEvent) = "task",
            Schedule(ScheduleEvent) = "schedule",
        }
    };
}

/// Makes what is said of all aggregates from their rows. Of the row `Task(TaskEvent) = "task"` it makes
///
/// ```ignore
/// pub enum Event { Task(TaskEvent) }
/// pub enum AggregateType { Task }
/// impl AggregateType {
///     pub fn word(self) -> &'static str { match self { Self::Task => "task" } }
///     pub fn event_names(self) -> &'static [&'static str] { match self { Self::Task => &TaskEvent::NAMES } }
///     …
/// }
/// impl Event {
///     pub fn name(&self) -> &'static str { match self { Self::Task(event) => event.name() } }
///     …
/// }
/// impl From<TaskEvent> for Event { … }
/// impl TryFrom<Event> for TaskEvent { … } // any other event comes back as the error
/// ```
macro_rules! aggregates {
    ($($kind:ident($events:ident) = $word:literal,)+) => {
        /// One fact about any aggregate.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $($kind($events),)+
        }

        /// The kinds of aggregate.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AggregateType {
            $($kind,)+
        }

        impl AggregateType {
            /// Every kind.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$kind),+];

            /// The word used in the log and on Kafka.
            pub fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)+ }
            }

            /// The names of its events.
            pub fn event_names(self) -> &'static [&'static str] {
                match self { $(Self::$kind => &$events::NAMES,)+ }
            }

            /// All fields that an event of this name can change: of one that is not known, all.
            pub fn fields_of(self, name: &str) -> Fields {
                match self { $(Self::$kind => $events::fields_of(name),)+ }.unwrap_or(Fields::All)
            }
        }

        impl Event {
            /// The kind of aggregate it is about.
            pub fn aggregate_type(&self) -> AggregateType {
                match self { $(Self::$kind(_) => AggregateType::$kind,)+ }
            }

            /// The stored and published name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$kind(event) => event.name(),)+ }
            }

            /// The version in which it is stored and published.
            pub fn version(&self) -> EventVersion {
                match self { $(Self::$kind(event) => event.version(),)+ }
            }

            /// The fields that changed, by the names callers use.
            pub fn fields(&self) -> Fields {
                match self { $(Self::$kind(event) => event.fields(),)+ }
            }

            /// The event as it is stored.
            pub fn encode(&self) -> String {
                let encoded = match self { $(Self::$kind(event) => serde_json::to_string(event),)+ };
                encoded.expect("events hold nothing that JSON cannot hold")
            }

            /// An event in its newest shape.
            fn deserialize<'a, D: Deserializer<'a>>(kind: AggregateType, payload: D) -> Result<Self, D::Error> {
                match kind { $(AggregateType::$kind => Deserialize::deserialize(payload).map(Self::$kind),)+ }
            }
        }

        /// How the older shapes of an event of this name are brought up to date. No two aggregates have events of one name.
        fn upcasters(event_type: &str) -> &'static [Upcaster] {
            None$(.or_else(|| $events::upcasters(event_type)))+.unwrap_or_default()
        }

        $(
            impl From<$events> for Event {
                fn from(event: $events) -> Self {
                    Self::$kind(event)
                }
            }

            impl TryFrom<Event> for $events {
                type Error = Event;

                #[allow(clippy::wildcard_enum_match_arm, reason = "whatever else there is, is another aggregate's")]
                fn try_from(event: Event) -> Result<Self, Event> {
                    match event {
                        Event::$kind(event) => Ok(event),
                        other => Err(other),
                    }
                }
            }
        )+
    };
}

for_each_aggregate!(aggregates);

/// A stored event that this program cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("aggregate type {0:?} is unknown to this version of Milepost")]
    UnknownAggregate(String),
    #[error("event {event_type:?} version {event_version:?} is unknown to this version of Milepost")]
    UnknownVersion { event_type: String, event_version: String },
    #[error("the payload is not a valid {event_type:?}: {reason}")]
    Payload { event_type: String, reason: String },
    #[error("the metadata is not valid: {0}")]
    Metadata(String),
}

/// An event as the log stores it, with its position and metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its place in the one total order of all events, from 1, without gaps.
    pub position: i64,
    pub workspace_id: WorkspaceId,
    pub aggregate_id: Uuid,
    /// The version of its aggregate after it, from 1, without gaps.
    pub version: i64,
    pub event_id: Uuid,
    /// When it was appended. Never decreases along positions.
    pub recorded_at: DateTime<Utc>,
    pub metadata: Metadata,
    pub event: Event,
}

/// An event as a reader of the log meets it: it may be one that this program cannot read.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_id: Uuid,
    pub event_type: String,
    pub recorded: Result<Arc<Recorded>, DecodeError>,
}

/// The circumstances of an event. No names, no token claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// When it happened; for imported history, long before it was recorded.
    pub occurred_at: Instant,
    pub actor: UserId,
    /// The command that caused it, if the sender named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Uuid>,
    /// Shared by all events of one request or process.
    pub correlation_id: Uuid,
    /// The event that caused it, if an event did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// The W3C trace context of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
}

impl AggregateType {
    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl Event {
    /// The version in which an event of this name is stored and published.
    pub fn newest_version(event_type: &str) -> EventVersion {
        EventVersion::newest(event_type, upcasters(event_type))
    }

    /// The counter from which the event draws its number as it is appended, if it draws one.
    pub fn draw(&self) -> Option<ProjectId> {
        match self {
            Self::Task(event) => event.draw(),
            Self::Project(_) | Self::Schedule(_) => None,
        }
    }

    /// The event as stored, once its number is drawn.
    #[must_use]
    pub fn with_drawn(self, number: u32) -> Self {
        match self {
            Self::Task(event) => Self::Task(event.with_drawn(number)),
            Self::Project(_) | Self::Schedule(_) => self,
        }
    }

    /// Reads a stored event from its text.
    pub fn decode(aggregate_type: &str, event_type: &str, event_version: &str, payload: &str) -> Result<Self, DecodeError> {
        let mut text = serde_json::Deserializer::from_str(payload);
        let event = Self::read(aggregate_type, event_type, event_version, &mut text)?;
        match text.end() {
            Ok(()) => Ok(event),
            Err(error) => Err(DecodeError::Payload { event_type: event_type.to_owned(), reason: error.to_string() }),
        }
    }

    /// Reads a stored event from a parsed value, which is what the stock loader of postgres-es gives.
    pub fn decode_value(aggregate_type: &str, event_type: &str, event_version: &str, payload: Value) -> Result<Self, DecodeError> {
        Self::read(aggregate_type, event_type, event_version, payload)
    }

    /// Older shapes are brought up to date here, so every reader sees only the newest.
    fn read<'a, D>(aggregate_type: &str, event_type: &str, event_version: &str, payload: D) -> Result<Self, DecodeError>
    where
        D: Deserializer<'a, Error = serde_json::Error>,
    {
        let version = known_version(event_type, event_version)?;
        if version == Self::newest_version(event_type) {
            return Self::read_newest(aggregate_type, event_type, payload);
        }
        let unreadable = |error: serde_json::Error| DecodeError::Payload { event_type: event_type.to_owned(), reason: error.to_string() };
        let older = Value::deserialize(payload).map_err(unreadable)?;
        Self::read_newest(aggregate_type, event_type, shapes::upcast(event_type, upcasters(event_type), version, older))
    }

    fn read_newest<'a, D>(aggregate_type: &str, event_type: &str, payload: D) -> Result<Self, DecodeError>
    where
        D: Deserializer<'a, Error = serde_json::Error>,
    {
        let kind = AggregateType::from_word(aggregate_type).ok_or_else(|| DecodeError::UnknownAggregate(aggregate_type.to_owned()))?;
        let event = Self::deserialize(kind, payload);
        match event {
            Ok(event) if event.name() == event_type => Ok(event),
            Ok(event) => {
                Err(DecodeError::Payload { event_type: event_type.to_owned(), reason: format!("found {:?} instead", event.name()) })
            }
            Err(error) => Err(DecodeError::Payload { event_type: event_type.to_owned(), reason: error.to_string() }),
        }
    }
}

fn known_version(event_type: &str, event_version: &str) -> Result<EventVersion, DecodeError> {
    EventVersion::stored(event_type, upcasters(event_type), event_version)
        .ok_or_else(|| DecodeError::UnknownVersion { event_type: event_type.to_owned(), event_version: event_version.to_owned() })
}

impl Metadata {
    /// Reads stored metadata.
    pub fn decode(metadata: &str) -> Result<Self, DecodeError> {
        serde_json::from_str(metadata).map_err(|error| DecodeError::Metadata(error.to_string()))
    }

    /// The metadata as it is stored: one flat object of texts, as cqrs-es wants it.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("metadata hold nothing that JSON cannot hold")
    }
}
