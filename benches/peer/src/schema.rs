//! The part of Milepost's schema that the benchmarks ask for, by the same names.

use crate::shop::Shop;
use crate::views::TaskView;
use async_graphql::{Context, EmptySubscription, Enum, ID, InputObject, Object, Result, Schema, SimpleObject};
use domain::ids::{ProjectId, TaskId, UserId};
use domain::project::{CreateProject, ProjectCommand};
use domain::task::{CreateTask, Status, TaskCommand};
use domain::values::{Assignees, DateSpan, Description, Priority, ProjectKey, ProjectName, Tag, Tags, Title};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) type PeerSchema = Schema<Query, Mutation, EmptySubscription>;

pub(crate) fn schema(shop: Arc<Shop>) -> PeerSchema {
    Schema::build(Query, Mutation, EmptySubscription).data(shop).finish()
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Status")]
enum TaskStatus {
    Todo,
    InProgress,
    InReview,
    Blocked,
    Done,
    Cancelled,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Priority")]
enum TaskPriority {
    Critical,
    High,
    Medium,
    Low,
}

#[derive(InputObject)]
struct ProjectCreateInput {
    id: Option<ID>,
    key: String,
    name: String,
}

#[derive(InputObject)]
struct TaskCreateInput {
    id: Option<ID>,
    project_id: ID,
    title: String,
    description: Option<String>,
    priority: Option<TaskPriority>,
    tags: Option<Vec<String>>,
    assignee_ids: Option<Vec<ID>>,
}

#[derive(SimpleObject)]
struct UserError {
    code: String,
    message: String,
    path: Vec<String>,
}

#[derive(SimpleObject)]
struct Project {
    id: ID,
}

#[derive(SimpleObject)]
struct ProjectPayload {
    project: Option<Project>,
    user_errors: Vec<UserError>,
}

#[derive(SimpleObject)]
struct TaskPayload {
    task: Option<Task>,
    user_errors: Vec<UserError>,
    version: Option<i32>,
    replayed: bool,
}

struct Task(TaskView);

#[Object]
impl Task {
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    async fn key(&self) -> String {
        format!("{}-{}", self.0.project_key, self.0.number)
    }

    async fn number(&self) -> u32 {
        self.0.number
    }

    async fn title(&self) -> &str {
        &self.0.title
    }

    async fn description(&self) -> &str {
        &self.0.description
    }

    async fn status(&self) -> TaskStatus {
        self.0.status.into()
    }

    async fn priority(&self) -> TaskPriority {
        self.0.priority.into()
    }

    async fn tags(&self) -> &[String] {
        &self.0.tags
    }

    async fn assignee_ids(&self) -> Vec<ID> {
        self.0.assignee_ids.iter().map(|person| ID(person.clone())).collect()
    }

    async fn version(&self) -> i32 {
        self.0.version
    }
}

pub(crate) struct Query;

#[Object]
impl Query {
    async fn task(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Task>> {
        Ok(shop(ctx).task(TaskId(Uuid::parse_str(&id)?)).await.map(Task))
    }
}

pub(crate) struct Mutation;

#[Object]
impl Mutation {
    async fn project_create(&self, ctx: &Context<'_>, input: ProjectCreateInput) -> Result<ProjectPayload> {
        let id = new_id(input.id.as_ref())?;
        let create = CreateProject {
            key: ProjectKey::new(input.key)?,
            name: ProjectName::new(input.name)?,
            description: Description::empty(),
            span: DateSpan { start_on: None, due_on: None },
            time_zone: "UTC".parse()?,
        };
        shop(ctx).create_project(ProjectId(id), ProjectCommand::Create(Box::new(create))).await?;
        Ok(ProjectPayload { project: Some(Project { id: ID(id.to_string()) }), user_errors: vec![] })
    }

    async fn task_create(&self, ctx: &Context<'_>, input: TaskCreateInput) -> Result<TaskPayload> {
        let (id, project) = (new_id(input.id.as_ref())?, Uuid::parse_str(&input.project_id)?);
        let tags = input.tags.unwrap_or_default().into_iter().map(Tag::new).collect::<Result<Vec<_>, _>>()?;
        let people = input.assignee_ids.unwrap_or_default();
        let people = people.iter().map(|person| Uuid::parse_str(person).map(UserId)).collect::<Result<Vec<_>, _>>()?;
        let create = CreateTask {
            project_id: ProjectId(project),
            title: Title::new(input.title)?,
            description: input.description.map_or(Ok(Description::empty()), Description::new)?,
            priority: input.priority.map_or_else(Priority::default, Priority::from),
            category: None,
            tags: Tags::new(tags)?,
            assignee_ids: Assignees::new(people)?,
            due: None,
            estimate_minutes: None,
        };
        shop(ctx).create_task(TaskId(id), ProjectId(project), TaskCommand::Create(Box::new(create))).await?;
        // The view is up to date: stock queries run before the command returns.
        let task = shop(ctx).task(TaskId(id)).await;
        let version = task.as_ref().map(|task| task.version);
        Ok(TaskPayload { task: task.map(Task), user_errors: vec![], version, replayed: false })
    }
}

fn shop<'a>(ctx: &Context<'a>) -> &'a Arc<Shop> {
    ctx.data_unchecked()
}

fn new_id(given: Option<&ID>) -> Result<Uuid> {
    Ok(given.map(|id| Uuid::parse_str(id)).transpose()?.unwrap_or_else(Uuid::now_v7))
}
