//! What is published of events. A fact is ours, a message is public: these types are apart from the events, and a mapping
//! between the two is a pure function of one event.

mod largest;
mod project;
mod schedule;
mod task;
#[cfg(test)]
mod tests;

pub use largest::RECORD_BYTES_MAX;

use chrono::SecondsFormat;
use domain::event::{Event, Recorded};
use domain::shapes::EventVersion;
use domain::values::{Change, Instant};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// What stands in `source`.
pub const SOURCE: &str = "milepost";

/// One record's value.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Envelope {
    /// Unique for ever; a consumer that has seen it may skip the record.
    pub event_id: Uuid,
    /// What happened, such as `task_created`.
    pub event_type: &'static str,
    /// The version of the event: it goes up when the shape of its type changes.
    #[schemars(with = "u32")]
    pub event_version: EventVersion,
    /// When it happened in the world, RFC 3339 with milliseconds.
    pub occurred_at: Moment,
    /// When the log took it. It never goes back along positions.
    pub recorded_at: Moment,
    /// The same as `occurred_at`.
    pub timestamp: Moment,
    /// `milepost`.
    pub source: &'static str,
    /// `project`, `task` or `schedule`.
    pub aggregate_type: &'static str,
    /// The thing that it happened to; also the record's key.
    pub aggregate_id: Uuid,
    /// The version of that thing after the event: 1, 2, 3, …
    pub aggregate_version: i64,
    /// The place in the one order of all events: a decimal number as text.
    pub position: String,
    pub workspace_id: Uuid,
    /// Who did it.
    pub actor: Uuid,
    /// Shared by all that belongs to one request or process.
    pub correlation_id: Uuid,
    /// The event that caused it, if an event did.
    pub causation_id: Option<Uuid>,
    /// The W3C trace context of the command, if it had one.
    pub traceparent: Option<String>,
    pub data: Data,
}

/// What happened, in the fields of its type.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Data {
    Project(project::ProjectMessage),
    Task(Box<task::TaskMessage>),
    Schedule(Box<schedule::ScheduleMessage>),
}

/// An instant in UTC: RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment(pub Instant);

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl Moment {
    /// As it is written.
    pub fn text(&self) -> String {
        self.0.utc().to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

/// When something is due.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DueV1 {
    pub at: Moment,
    /// Set if a day was given; `at` is then its end in `time_zone`.
    pub date: Option<chrono::NaiveDate>,
    pub time_zone: String,
}

impl From<domain::values::Due> for DueV1 {
    fn from(due: domain::values::Due) -> Self {
        Self { at: Moment(due.at), date: due.date, time_zone: due.time_zone.name().to_owned() }
    }
}

/// What a field was and became.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ChangeV1<T> {
    pub from: T,
    pub to: T,
}

impl<T> ChangeV1<T> {
    fn of<U: Clone>(change: &Option<Change<U>>, make: impl Fn(U) -> T) -> Option<Self> {
        change.as_ref().map(|change| Self { from: make(change.from.clone()), to: make(change.to.clone()) })
    }
}

impl Envelope {
    /// The message for an event.
    pub fn of(recorded: &Recorded) -> Self {
        let metadata = &recorded.metadata;
        Self {
            event_id: recorded.event_id,
            event_type: recorded.event.name(),
            event_version: recorded.event.version(),
            occurred_at: Moment(metadata.occurred_at),
            recorded_at: Moment(recorded.recorded_at.into()),
            timestamp: Moment(metadata.occurred_at),
            source: SOURCE,
            aggregate_type: recorded.event.aggregate_type().word(),
            aggregate_id: recorded.aggregate_id,
            aggregate_version: recorded.version,
            position: recorded.position.to_string(),
            workspace_id: recorded.workspace_id.0,
            actor: metadata.actor.0,
            correlation_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            traceparent: metadata.traceparent.clone(),
            data: match &recorded.event {
                Event::Project(event) => Data::Project(project::message(recorded, event)),
                Event::Task(event) => Data::Task(Box::new(task::message(recorded, event))),
                Event::Schedule(event) => Data::Schedule(Box::new(schedule::message(recorded, event))),
            },
        }
    }

    /// The record's headers: CloudEvents in binary mode, beside the content type.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.event_id.to_string()),
            ("ce_source", self.source.to_owned()),
            ("ce_type", self.event_type.to_owned()),
            ("ce_subject", self.aggregate_id.to_string()),
            ("ce_time", self.occurred_at.text()),
            ("ce_sequence", format!("{:0>20}", self.position)),
        ];
        headers.extend(self.traceparent.iter().map(|traceparent| ("traceparent", traceparent.clone())));
        headers
    }
}

/// The JSON Schema of the envelope, and of `data` for each type of event.
pub fn schemas() -> (Value, Vec<(&'static str, Value)>) {
    let mut envelope = Value::from(schemars::schema_for!(Envelope));
    // What `data` is depends on the type: each has a schema of its own.
    envelope["properties"]["data"] = serde_json::json!({ "type": "object", "description": "What happened, in the fields of its type." });
    if let Some(envelope) = envelope.as_object_mut() {
        envelope.remove("$defs");
    }
    let data = [project::schemas(), task::schemas(), schedule::schemas()].concat();
    (envelope, data)
}

fn schema<T: JsonSchema>() -> Value {
    Value::from(schemars::schema_for!(T))
}
