//! What surrounds the data of each event.

use crate::values::Moment;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// What stands in `source`.
pub const SOURCE: &str = "milepost";

/// One record's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Envelope"))]
pub struct Envelope<D> {
    /// Unique for ever; a consumer that has seen it may skip the record.
    pub event_id: Uuid,
    /// What happened, such as `task_created`.
    pub event_type: Cow<'static, str>,
    /// The version of the event: it goes up when the shape of its type changes.
    pub event_version: u32,
    /// When it happened in the world, RFC 3339 with milliseconds.
    pub occurred_at: Moment,
    /// When the log took it. It never goes back along positions.
    pub recorded_at: Moment,
    /// The same as `occurred_at`.
    pub timestamp: Moment,
    /// `milepost`.
    pub source: Cow<'static, str>,
    /// `project`, `task` or `schedule`.
    pub aggregate_type: Cow<'static, str>,
    /// The thing that it happened to; also the record's key.
    pub aggregate_id: Uuid,
    /// The version of that thing after the event: 1, 2, 3, …
    pub aggregate_version: i64,
    /// The place in the one order of all events: a decimal number as text.
    pub position: String,
    pub workspace_id: Uuid,
    /// Who did it.
    pub actor: Uuid,
    /// The id of the command that caused it, where the sender named one.
    pub command_id: Option<Uuid>,
    /// Shared by all that belongs to one request or process.
    pub correlation_id: Uuid,
    /// The event that caused it, if an event did.
    pub causation_id: Option<Uuid>,
    /// The W3C trace context of the command, if it had one.
    pub traceparent: Option<String>,
    /// What happened, in the fields of its type, such as [`TaskCreatedV1`](crate::task::TaskCreatedV1).
    pub data: D,
}

impl<D> Envelope<D> {
    /// The record's headers: CloudEvents in binary mode, beside the content type.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.event_id.to_string()),
            ("ce_source", self.source.to_string()),
            ("ce_type", self.event_type.to_string()),
            ("ce_subject", self.aggregate_id.to_string()),
            ("ce_time", self.occurred_at.text()),
            ("ce_sequence", format!("{:0>20}", self.position)),
        ];
        headers.extend(self.traceparent.iter().map(|traceparent| ("traceparent", traceparent.clone())));
        headers
    }
}
