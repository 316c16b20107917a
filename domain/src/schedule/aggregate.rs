//! The adapter to cqrs-es.

use super::{About, Schedule, ScheduleCommand, ScheduleError, ScheduleEvent, decide, evolve};
use crate::issued::Issued;
use crate::shapes::EventVersion;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};

impl Aggregate for Schedule {
    const TYPE: &'static str = "schedule";
    type Command = Issued<About<ScheduleCommand>>;
    type Event = ScheduleEvent;
    type Error = ScheduleError;
    type Services = ();

    async fn handle(&mut self, issued: Self::Command, (): &(), sink: &EventSink<Self>) -> Result<(), ScheduleError> {
        for event in decide(self, issued)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ScheduleEvent) {
        *self = evolve(std::mem::take(self), event);
    }
}

impl DomainEvent for ScheduleEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        EventVersion::newest(self.name()).to_string()
    }
}
