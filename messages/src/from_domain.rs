//! A message of an event.

use crate::envelope::{Envelope, SOURCE};
use crate::schemas::Published;
use crate::{project, schedule, task};
use domain::event::{Event, Recorded};
use domain::values::Instant;
use serde::{Serialize, Serializer};

/// The type of each event's message.
pub(crate) fn published() -> impl Iterator<Item = &'static Published> {
    [project::PUBLISHED, task::PUBLISHED, schedule::PUBLISHED].into_iter().flatten()
}

/// The data of an event, in the fields of its type. It is made as it is written, so nothing is copied twice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Data<'a>(&'a Recorded);

/// The data of an event.
pub fn data(recorded: &Recorded) -> Data<'_> {
    Data(recorded)
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.event {
            Event::Project(event) => project::write(self.0, event, serializer),
            Event::Task(event) => task::write(self.0, event, serializer),
            Event::Schedule(event) => schedule::write(self.0, event, serializer),
        }
    }
}

/// The message for an event.
pub fn envelope(recorded: &Recorded) -> Envelope<Data<'_>> {
    let metadata = &recorded.metadata;
    Envelope {
        event_id: recorded.event_id,
        event_type: recorded.event.name().into(),
        event_version: recorded.event.version().number(),
        occurred_at: metadata.occurred_at.into(),
        recorded_at: Instant::from(recorded.recorded_at).into(),
        timestamp: metadata.occurred_at.into(),
        source: SOURCE.into(),
        aggregate_type: recorded.event.aggregate_type().word().into(),
        aggregate_id: recorded.aggregate_id,
        aggregate_version: recorded.version,
        position: recorded.position.to_string(),
        workspace_id: recorded.workspace_id.0,
        actor: metadata.actor.0,
        command_id: metadata.command_id,
        correlation_id: metadata.correlation_id,
        causation_id: metadata.causation_id,
        traceparent: metadata.traceparent.clone(),
        data: data(recorded),
    }
}
