//! Commands of several wishes about one task, for benchmarks: the executor appends their events as one unit.

use crate::Application;
use crate::access::{self, Asks, Standing};
use crate::caller::{Caller, Circumstances, Role};
use crate::error::CommandError;
use crate::executor::{Handling, Outcome, Prepared};
use crate::state_cache::{CachedState, Entity, States, Versioned};
use crate::task::home;
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use domain::event::{AggregateType, Event};
use domain::fields::Fields;
use domain::ids::{ProjectId, TaskId};
use domain::issued::Issued;
use domain::task::{InProject, Task, TaskCommand, TaskError, TaskEvent, decide, evolve};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// A task that takes several wishes at once, for this executor and for the stock one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Several(Task);

impl Aggregate for Several {
    const TYPE: &'static str = Task::TYPE;
    type Command = Issued<Vec<InProject<TaskCommand>>>;
    type Event = TaskEvent;
    type Error = TaskError;
    type Services = ();

    async fn handle(&mut self, issued: Self::Command, (): &(), sink: &EventSink<Self>) -> Result<(), TaskError> {
        let Issued { by, workspace, at, command } = issued;
        for wish in command {
            for event in decide(&self.0, Issued { by, workspace, at, command: wish })? {
                sink.write(event, self).await;
            }
        }
        Ok(())
    }

    fn apply(&mut self, event: TaskEvent) {
        self.0 = evolve(std::mem::take(&mut self.0), event);
    }
}

impl Entity for Several {
    const KIND: AggregateType = AggregateType::Task;

    fn event(event: TaskEvent) -> Event {
        Event::Task(event)
    }

    fn own_event(event: Event) -> Option<TaskEvent> {
        Task::own_event(event)
    }

    fn to_cached(state: Arc<Self>) -> CachedState {
        CachedState::Task(Arc::new(Arc::unwrap_or_clone(state).0))
    }

    fn from_cached(state: &CachedState) -> Option<Arc<Self>> {
        Task::from_cached(state).map(|task| Arc::new(Self((*task).clone())))
    }
}

struct SeveralHandling {
    id: TaskId,
    project: ProjectId,
    wishes: Vec<TaskCommand>,
}

impl Handling for SeveralHandling {
    type Entity = Several;

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn creates(&self) -> bool {
        false
    }

    fn expected_version(&self) -> Option<i64> {
        None
    }

    fn fields(&self) -> Fields {
        Fields::All
    }

    fn asks(&self) -> Asks {
        Asks::for_the_service("several")
    }

    async fn prepare(&self, states: &States, caller: &Caller, _: &Versioned<Several>) -> Result<Prepared<Several>, CommandError> {
        let (home, project, relied_on) = home(states, self.project).await?;
        let standing = Standing::InProject(access::InProject::of(&project, caller.actor));
        let wishes = self.wishes.iter().map(|wish| InProject { home: home.clone(), wish: wish.clone() }).collect();
        Ok(Prepared { command: Box::new(|issued| issued.with(wishes)), relied_on, project_id: Some(self.project), standing, claim: None })
    }
}

impl Application {
    /// Carries out several wishes about a task as one command.
    pub async fn execute_together(
        &self,
        how: &Circumstances,
        id: TaskId,
        project: ProjectId,
        wishes: Vec<TaskCommand>,
    ) -> Result<Outcome, CommandError> {
        // No door takes it, so no caller may send it.
        let how = Circumstances { caller: Caller { role: Role::Service, ..how.caller }, ..how.clone() };
        self.executor.run(&how, None, &SeveralHandling { id, project, wishes }).await
    }
}
