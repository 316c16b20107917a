//! The task of the domain as a stock aggregate. The stock store cannot draw numbers, so the number rides in the command.

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use domain::issued::Issued;
use domain::task::{Task, TaskCommand, TaskContext, TaskError, TaskEvent, decide, evolve};
use serde::{Deserialize, Serialize};

/// A task whose number is given by whoever sends the command.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NumberedTask(pub(crate) Task);

/// A command with the number for what it creates.
pub(crate) struct Numbered {
    pub(crate) number: u32,
    pub(crate) issued: Issued<TaskCommand, TaskContext>,
}

impl Aggregate for NumberedTask {
    const TYPE: &'static str = "task";
    type Command = Numbered;
    type Event = TaskEvent;
    type Error = TaskError;
    type Services = ();

    async fn handle(&mut self, command: Numbered, (): &(), sink: &EventSink<Self>) -> Result<(), TaskError> {
        for event in decide(&self.0, command.issued)? {
            sink.write(event.with_drawn(command.number), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: TaskEvent) {
        self.0 = evolve(std::mem::take(&mut self.0), event);
    }
}
