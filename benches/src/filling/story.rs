//! Projects full of tasks that are begun, taken on, renamed and done, many of them at the same time.

use super::metadata;
use super::writer::Writer;
use crate::dice::Dice;
use crate::stand::connect;
use anyhow::{Context, Result};
use chrono::{TimeDelta, Utc};
use chrono_tz::Tz;
use domain::event::Event;
use domain::ids::{ProjectId, TaskId, UserId, WorkspaceId};
use domain::issued::Issued;
use domain::project::{CreateProject, Home, Phase, Project, ProjectCommand};
use domain::task::{ChangeStatus, CreateTask, Status, Task, TaskCommand, TaskContext, TaskEvent, UpdateTask, evolve};
use domain::values::{Assignees, DateSpan, Description, Priority, ProjectKey, ProjectName, Tag, Tags, Title};
use uuid::Uuid;

/// Projects in a log.
const PROJECTS: usize = 20;
/// Tasks that are being worked on at the same time.
const OPEN_AT_ONCE: usize = 2_000;
/// Events in the life of a task.
const LIFE: i64 = 5;

/// What is in a log that was filled.
pub(crate) struct Filled {
    pub workspace: WorkspaceId,
    /// Every task with its version.
    pub tasks: Vec<(TaskId, i64)>,
    pub events: i64,
}

/// A title that could be a real one.
pub(crate) fn title(number: usize) -> Title {
    Title::new(format!("Replace the {number}th part of the northern line before the rain sets in")).expect("a title of one short line")
}

struct Open {
    id: TaskId,
    home: usize,
    state: Task,
    version: i64,
}

struct Story {
    workspace: WorkspaceId,
    homes: Vec<(Home, u32)>,
    dice: Dice,
    people: Vec<UserId>,
}

/// Fills an empty log with so many events.
pub(crate) async fn tasks(database_url: &str, events: usize) -> Result<Filled> {
    let pool = connect(database_url, 1).await?;
    let workspace = WorkspaceId(Uuid::now_v7());
    let people: Vec<UserId> = (0..50).map(|_| UserId(Uuid::now_v7())).collect();
    let mut story = Story { workspace, homes: vec![], dice: Dice::new(7), people };
    let mut writer = Writer::new(&pool, workspace, Utc::now() - TimeDelta::milliseconds(events as i64));
    for number in 0..PROJECTS {
        story.begin_project(number, &mut writer).await?;
    }
    let open_at_once = OPEN_AT_ONCE.min(events / 10).max(1);
    let (mut open, mut done): (Vec<Open>, Vec<(TaskId, i64)>) = (vec![], vec![]);
    while writer.count() < events as i64 {
        let at = if open.len() < open_at_once {
            open.push(story.new_task());
            open.len() - 1
        } else {
            story.dice.below(open.len())
        };
        story.go_on(&mut open[at], &mut writer).await?;
        if open[at].version == LIFE {
            let task = open.swap_remove(at);
            done.push((task.id, task.version));
        }
    }
    done.extend(open.into_iter().map(|task| (task.id, task.version)));
    let events = writer.finish().await?;
    for (home, number) in &story.homes {
        sqlx::query("INSERT INTO milepost.claims (workspace_id, kind, value, held_by, position) VALUES ($1, $2, $3, $4, 1)")
            .bind(workspace.0)
            .bind(application::PROJECT_KEY_CLAIM)
            .bind(home.key.as_str())
            .bind(home.id.to_string())
            .execute(&pool)
            .await?;
        let draw = sqlx::query("INSERT INTO milepost.draws (counter, value) VALUES ($1, $2)");
        draw.bind(home.id.to_string()).bind(i64::from(*number)).execute(&pool).await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE milepost.events").execute(&pool).await?;
    Ok(Filled { workspace, tasks: done, events })
}

impl Story {
    async fn begin_project(&mut self, number: usize, writer: &mut Writer<'_>) -> Result<()> {
        let id = ProjectId(Uuid::now_v7());
        let create = CreateProject {
            key: ProjectKey::new(format!("P{number}X"))?,
            name: ProjectName::new(format!("Line {number}"))?,
            description: Description::empty(),
            span: DateSpan { start_on: None, due_on: None },
            time_zone: Tz::UTC,
        };
        let home = Home { id, workspace_id: self.workspace, key: create.key.clone(), time_zone: Tz::UTC, phase: Phase::Active };
        let issued = self.issued(ProjectCommand::Create(Box::new(create)));
        for event in domain::project::decide(&Project::default(), issued)? {
            writer.put(id.0, 1, &Event::Project(event), &metadata(self.people[0])).await?;
        }
        self.homes.push((home, 0));
        Ok(())
    }

    fn issued<C>(&self, command: C) -> Issued<C> {
        Issued { by: self.people[0], workspace: self.workspace, at: Utc::now().into(), command, context: () }
    }

    fn new_task(&mut self) -> Open {
        let home = self.dice.below(self.homes.len());
        Open { id: TaskId(Uuid::now_v7()), home, state: Task::Absent, version: 0 }
    }

    /// The next command in the life of a task.
    fn command(&mut self, task: &Open, number: usize) -> Result<TaskCommand> {
        let person = self.people[self.dice.below(self.people.len())];
        Ok(match task.version {
            0 => TaskCommand::Create(Box::new(CreateTask {
                project_id: self.homes[task.home].0.id,
                title: title(number),
                description: Description::new("The old one has been patched three times. Bring the long ladder.")?,
                priority: Priority::Medium,
                category: None,
                tags: Tags::new([Tag::new("line")?, Tag::new("before-winter")?])?,
                assignee_ids: Assignees::new([])?,
                due: None,
                estimate_minutes: Some(90),
            })),
            1 => TaskCommand::Assign(person),
            2 => TaskCommand::ChangeStatus(ChangeStatus { to: Status::InProgress, blocked_reason: None }),
            3 => TaskCommand::Update(Box::new(UpdateTask { title: Some(title(number + 1_000_000)), ..UpdateTask::default() })),
            _ => TaskCommand::Complete,
        })
    }

    async fn go_on(&mut self, task: &mut Open, writer: &mut Writer<'_>) -> Result<()> {
        let command = self.command(task, usize::try_from(writer.count())?)?;
        let home = self.homes[task.home].0.clone();
        let event = domain::task::decide(&task.state, self.issued(command).in_context(TaskContext::new(home)))?;
        let mut event: TaskEvent = event.into_iter().next().context("each of these commands is one event")?;
        if event.draw().is_some() {
            let number = &mut self.homes[task.home].1;
            *number += 1;
            event = event.with_drawn(*number);
        }
        task.version += 1;
        let circumstances = domain::event::Metadata { project_id: task.state.project_id(), ..metadata(self.people[0]) };
        writer.put(task.id.0, task.version, &Event::Task(event.clone()), &circumstances).await?;
        task.state = evolve(std::mem::take(&mut task.state), event);
        Ok(())
    }
}
