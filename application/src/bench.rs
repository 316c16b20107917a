//! Several commands on one task as one, for benchmarks: the executor appends their events as one unit.

use crate::Application;
use crate::access::{CallerRole, ProjectRole};
use crate::caller::{Caller, Circumstances, Role};
use crate::error::CommandError;
use crate::executor::{Dependencies, Executable, Outcome, Request};
use crate::state_cache::{CachedAggregate, CachedState, StateCache, Versioned};
use crate::task::home;
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use domain::event::AggregateType;
use domain::fields::Fields;
use domain::ids::{ProjectId, TaskId};
use domain::issued::{DomainCommand, Issued};
use domain::task::{Task, TaskCommand, TaskContext, TaskError, TaskEvent, decide, evolve};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// A task that takes several commands at once, for this executor and for the stock one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Several(Task);

/// Commands on a task of a project.
#[derive(Debug, Clone)]
pub struct SeveralCommands {
    pub project: ProjectId,
    pub commands: Vec<TaskCommand>,
}

impl DomainCommand for SeveralCommands {
    fn creates(&self) -> bool {
        false
    }

    fn fields(&self) -> Fields {
        Fields::All
    }
}

impl Aggregate for Several {
    const TYPE: &'static str = Task::TYPE;
    type Command = Issued<SeveralCommands, TaskContext>;
    type Event = TaskEvent;
    type Error = TaskError;
    type Services = ();

    async fn handle(&mut self, issued: Self::Command, (): &(), sink: &EventSink<Self>) -> Result<(), TaskError> {
        let Issued { by, workspace, at, command, context } = issued;
        for command in command.commands {
            for event in decide(&self.0, Issued { by, workspace, at, command, context: context.clone() })? {
                sink.write(event, self).await;
            }
        }
        Ok(())
    }

    fn apply(&mut self, event: TaskEvent) {
        self.0 = evolve(std::mem::take(&mut self.0), event);
    }
}

impl CachedAggregate for Several {
    const KIND: AggregateType = AggregateType::Task;

    fn to_cached(state: Arc<Self>) -> CachedState {
        CachedState::Task(Arc::new(Arc::unwrap_or_clone(state).0))
    }

    fn from_cached(state: &CachedState) -> Option<Arc<Self>> {
        Task::from_cached(state).map(|task| Arc::new(Self((*task).clone())))
    }
}

impl Executable for Several {
    type DomainCommand = SeveralCommands;
    type Context = TaskContext;

    async fn dependencies(
        _: Uuid,
        command: &SeveralCommands,
        states: &StateCache,
        caller: &Caller,
        _: &Versioned<Self>,
    ) -> Result<Dependencies<TaskContext>, CommandError> {
        let (home, project, guard) = home(states, command.project).await?;
        let role = CallerRole::InProject(ProjectRole::of(&project, caller.actor));
        let context = TaskContext::new(home);
        Ok(Dependencies { context, guards: vec![guard], project_id: Some(command.project), role, claim: None })
    }
}

impl Application {
    /// Carries out several commands on a task as one.
    pub async fn execute_together(
        &self,
        how: &Circumstances,
        id: TaskId,
        project: ProjectId,
        commands: Vec<TaskCommand>,
    ) -> Result<Outcome, CommandError> {
        // It is for the service alone, so no caller may send it.
        let how = Circumstances { caller: Caller { role: Role::Service, ..how.caller }, ..how.clone() };
        let request = Request::on(id.0, None, SeveralCommands { project, commands });
        self.executor.run::<Several>(&how, None, "several", request).await
    }
}
