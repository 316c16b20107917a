//! The peer's two frameworks, its queries, and what it keeps in memory.

use crate::rules::{Numbered, NumberedTask};
use crate::views::{ProjectView, TaskView, TasksOfProjects};
use anyhow::{Context, Result, anyhow};
use chrono::Utc;
use cqrs_es::persist::GenericQuery;
use domain::ids::{ProjectId, TaskId, UserId, WorkspaceId};
use domain::issued::Issued;
use domain::project::{Home, Phase, Project, ProjectCommand};
use domain::task::{TaskCommand, TaskContext};
use postgres_es::{PostgresCqrs, PostgresViewRepository, postgres_cqrs};
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use uuid::Uuid;

type TaskViews = PostgresViewRepository<TaskView, NumberedTask>;
type ProjectViews<A> = PostgresViewRepository<ProjectView, A>;

/// Everything that resolvers need.
pub(crate) struct Shop {
    tasks: PostgresCqrs<NumberedTask>,
    projects: PostgresCqrs<Project>,
    task_view: GenericQuery<TaskViews, TaskView, NumberedTask>,
    homes: RwLock<HashMap<ProjectId, Arc<(Home, AtomicU32)>>>,
    workspace: WorkspaceId,
    actor: UserId,
}

impl Shop {
    pub(crate) fn new(pool: PgPool) -> Self {
        let task_views = Arc::new(TaskViews::new("task_view", pool.clone()));
        let task_view = || GenericQuery::<TaskViews, TaskView, NumberedTask>::new(Arc::clone(&task_views));
        let counted = TasksOfProjects(Arc::new(ProjectViews::new("project_view", pool.clone())));
        let project_views = Arc::new(ProjectViews::<Project>::new("project_view", pool.clone()));
        let project_view = GenericQuery::<ProjectViews<Project>, ProjectView, Project>::new(project_views);
        Self {
            tasks: postgres_cqrs(pool.clone(), vec![Box::new(task_view()), Box::new(counted)], ()),
            projects: postgres_cqrs(pool, vec![Box::new(project_view)], ()),
            task_view: task_view(),
            homes: RwLock::default(),
            workspace: WorkspaceId(Uuid::now_v7()),
            actor: UserId(Uuid::now_v7()),
        }
    }

    fn issued<C>(&self, command: C) -> Issued<C> {
        Issued { by: self.actor, workspace: self.workspace, at: Utc::now().into(), command, context: () }
    }

    pub(crate) async fn create_project(&self, id: ProjectId, command: ProjectCommand) -> Result<()> {
        let (key, time_zone) = match &command {
            ProjectCommand::Create(create) => (create.key.clone(), create.time_zone),
            _ => return Err(anyhow!("a project begins by being created")),
        };
        self.projects.execute(&id.to_string(), self.issued(command)).await?;
        let home = Home { id, workspace_id: self.workspace, key, time_zone, phase: Phase::Active };
        self.homes.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new((home, AtomicU32::new(0))));
        Ok(())
    }

    pub(crate) async fn create_task(&self, id: TaskId, project: ProjectId, command: TaskCommand) -> Result<()> {
        let home = self.homes.read().unwrap_or_else(PoisonError::into_inner).get(&project).cloned().context("there is no such project")?;
        let number = home.1.fetch_add(1, Ordering::Relaxed) + 1;
        let issued = self.issued(command).in_context(TaskContext::new(home.0.clone()));
        self.tasks.execute(&id.to_string(), Numbered { number, issued }).await?;
        Ok(())
    }

    pub(crate) async fn task(&self, id: TaskId) -> Option<TaskView> {
        self.task_view.load(&id.to_string()).await
    }
}
