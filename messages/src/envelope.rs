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
    /// Unique ID of the event. A consumer that has already processed it can skip the record.
    pub event_id: Uuid,
    /// Type of the event, such as `task_created`.
    pub event_type: Cow<'static, str>,
    /// Version of the event type; raised when its shape changes.
    pub event_version: u32,
    /// When the event occurred: RFC 3339 in UTC with milliseconds.
    pub occurred_at: Moment,
    /// When the event was stored. Never decreases with increasing position.
    pub recorded_at: Moment,
    /// Same as `occurred_at`.
    pub timestamp: Moment,
    /// `milepost`.
    pub source: Cow<'static, str>,
    /// `project`, `task` or `schedule`.
    pub aggregate_type: Cow<'static, str>,
    /// ID of the aggregate; also the key of the record.
    pub aggregate_id: Uuid,
    /// Version of the aggregate after the event: 1, 2, 3, …
    pub aggregate_version: i64,
    /// Position of the event in the log, which orders all events: a decimal number as a string.
    pub position: String,
    pub workspace_id: Uuid,
    /// The user or service that caused the event.
    pub actor: Uuid,
    /// ID of the command that caused the event; null if the command had none.
    pub command_id: Option<Uuid>,
    /// Shared by all events of one request or process.
    pub correlation_id: Uuid,
    /// The event that caused this one, if any.
    pub causation_id: Option<Uuid>,
    /// W3C trace context of the command, if it had one.
    pub traceparent: Option<String>,
    /// Fields of the event, which depend on its type, such as [`TaskCreatedV1`](crate::task::TaskCreatedV1).
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
