//! The adapter to cqrs-es.

use super::{Project, ProjectCommand, ProjectError, ProjectEvent, decide, evolve};
use crate::issued::Issued;
use crate::shapes::EventVersion;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};

impl Aggregate for Project {
    const TYPE: &'static str = "project";
    type Command = Issued<ProjectCommand>;
    type Event = ProjectEvent;
    type Error = ProjectError;
    type Services = ();

    async fn handle(&mut self, issued: Self::Command, (): &(), sink: &EventSink<Self>) -> Result<(), ProjectError> {
        for event in decide(self, issued)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ProjectEvent) {
        *self = evolve(std::mem::take(self), event);
    }
}

impl DomainEvent for ProjectEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        EventVersion::newest(self.name()).to_string()
    }
}
