//! The adapter to cqrs-es.

use super::{InProject, Task, TaskCommand, TaskError, TaskEvent, decide, evolve};
use crate::issued::Issued;
use crate::shapes::EventVersion;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};

impl Aggregate for Task {
    const TYPE: &'static str = "task";
    type Command = Issued<InProject<TaskCommand>>;
    type Event = TaskEvent;
    type Error = TaskError;
    type Services = ();

    async fn handle(&mut self, issued: Self::Command, (): &(), sink: &EventSink<Self>) -> Result<(), TaskError> {
        for event in decide(self, issued)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: TaskEvent) {
        *self = evolve(std::mem::take(self), event);
    }
}

impl DomainEvent for TaskEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        EventVersion::newest(self.name()).to_string()
    }
}
