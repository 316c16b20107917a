//! What the peer answers queries from: a view of each task, and one of each project that counts its tasks.

use crate::rules::NumberedTask;
use async_trait::async_trait;
use cqrs_es::persist::{PersistenceError, ViewContext, ViewRepository};
use cqrs_es::{EventEnvelope, Query, View};
use domain::project::{Project, ProjectEvent};
use domain::task::{Status, TaskEvent};
use domain::values::Priority;
use postgres_es::PostgresViewRepository;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A task as it is shown.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TaskView {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) project_key: String,
    pub(crate) number: u32,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) status: Status,
    pub(crate) priority: Priority,
    pub(crate) tags: Vec<String>,
    pub(crate) assignee_ids: Vec<String>,
    pub(crate) version: i32,
}

impl View<NumberedTask> for TaskView {
    fn update(&mut self, envelope: &EventEnvelope<NumberedTask>) {
        self.version = i32::try_from(envelope.sequence).unwrap_or(i32::MAX);
        match &envelope.payload {
            TaskEvent::TaskCreated(created) => {
                self.id.clone_from(&envelope.aggregate_id);
                self.project_id = created.project_id.to_string();
                self.project_key = created.project_key.to_string();
                self.number = created.number;
                self.title = created.title.to_string();
                self.description = created.description.to_string();
                self.priority = created.priority;
                self.tags = created.tags.iter().map(ToString::to_string).collect();
                self.assignee_ids = created.assignee_ids.iter().map(|person| person.to_string()).collect();
            }
            TaskEvent::TaskStatusChanged(changed) => self.status = changed.to,
            TaskEvent::TaskCompleted(_) => self.status = Status::Done,
            TaskEvent::TaskReopened(_) => self.status = Status::Todo,
            TaskEvent::TaskPriorityChanged(changed) => self.priority = changed.to,
            // Nothing that is measured sends these.
            TaskEvent::TaskUpdated(_)
            | TaskEvent::TaskAssigned(_)
            | TaskEvent::TaskUnassigned(_)
            | TaskEvent::TaskDeleted(_)
            | TaskEvent::TaskDueDateChanged(_)
            | TaskEvent::TaskCommented(_)
            | TaskEvent::TaskMoved(_) => {}
        }
    }
}

/// A project as it is shown.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ProjectView {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) version: i32,
    pub(crate) tasks: i64,
    pub(crate) by_status: BTreeMap<String, i64>,
}

impl View<Project> for ProjectView {
    fn update(&mut self, envelope: &EventEnvelope<Project>) {
        self.version = i32::try_from(envelope.sequence).unwrap_or(i32::MAX);
        if let ProjectEvent::ProjectCreated(created) = &envelope.payload {
            self.id.clone_from(&envelope.aggregate_id);
            self.key = created.key.to_string();
            self.name = created.name.to_string();
        }
    }
}

impl View<NumberedTask> for ProjectView {
    fn update(&mut self, envelope: &EventEnvelope<NumberedTask>) {
        if let TaskEvent::TaskCreated(_) = &envelope.payload {
            self.tasks += 1;
            *self.by_status.entry(Status::Todo.word().to_owned()).or_default() += 1;
        }
    }
}

/// Brings events of tasks to the view of their project, as `GenericQuery` does for views of their own: an update that
/// meets another one is lost.
pub(crate) struct TasksOfProjects(pub(crate) Arc<PostgresViewRepository<ProjectView, NumberedTask>>);

impl TasksOfProjects {
    async fn count(&self, events: &[EventEnvelope<NumberedTask>]) -> Result<(), PersistenceError> {
        for event in events {
            let TaskEvent::TaskCreated(created) = &event.payload else { continue };
            let id = created.project_id.to_string();
            let (mut view, context) =
                self.0.load_with_context(&id).await?.unwrap_or_else(|| (ProjectView::default(), ViewContext::new(id, 0)));
            view.update(event);
            self.0.update_view(view, context).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Query<NumberedTask> for TasksOfProjects {
    async fn dispatch(&self, _: &str, events: &[EventEnvelope<NumberedTask>]) {
        // Stock: errors end here.
        let _ = self.count(events).await;
    }
}
