//! Commands in one process, 64 in flight: load, decide, append. Against the stock executor on the same server.

use super::Pairs;
use crate::filling::title;
use crate::load::at_once;
use crate::numbers::median;
use crate::people::{by, owner};
use crate::report::Row;
use crate::stand::{Stand, connect};
use anyhow::{Context, Result};
use application::Application;
use application::bench::{Several, SeveralCommands};
use application::caller::Caller;
use application::command::Command;
use application::inputs::{Patch, ProjectCreateInput, TaskCreateInput, TaskUpdateInput};
use chrono::Utc;
use chrono_tz::Tz;
use cqrs_es::AggregateError;
use domain::ids::{ProjectId, TaskId, WorkspaceId};
use domain::issued::Issued;
use domain::project::{Home, Phase};
use domain::task::{CreateTask, TaskCommand, TaskContext, UpdateTask};
use domain::values::{Assignees, Description, Priority, ProjectKey, Tags};
use postgres_es::{PostgresCqrs, postgres_cqrs};
use server::wire::Core;
use std::sync::Arc;
use uuid::Uuid;

const IN_FLIGHT: usize = 64;
/// Connections of the stock executor: more and fewer were slower.
const STOCK_CONNECTIONS: u32 = 32;
/// Commands that each task gets in all runs, so that histories stay as short as real ones.
const COMMANDS_PER_TASK: usize = 5;

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let (mut one, mut five, mut rows) = (Pairs::default(), Pairs::default(), vec![]);
    for (events, pairs) in [(1, &mut one), (5, &mut five)] {
        let commands = if events == 1 { stand.sizes.commands } else { stand.sizes.commands / 4 };
        let tasks = (commands * stand.sizes.pairs / COMMANDS_PER_TASK).max(IN_FLIGHT * 2);
        let ours = Arc::new(Ours::begin(stand, tasks).await?);
        let stock = Arc::new(Stock::begin(stand, tasks).await?);
        for pair in 0..stand.sizes.pairs {
            let first = pair * commands;
            stand.settle().await?;
            let our_rate = at_once(IN_FLIGHT, commands, |number| Arc::clone(&ours).send(first + number, events)).await?;
            stand.settle().await?;
            let stock_rate = at_once(IN_FLIGHT, commands, |number| Arc::clone(&stock).send(first + number, events)).await?;
            pairs.add(our_rate, stock_rate);
        }
        let factor = if events == 1 { 5.0 } else { 3.5 };
        let work = format!("append of {events}-event commands, {IN_FLIGHT} in flight, load included");
        let (ratio, rate) = (pairs.ratio(), median(&pairs.ours));
        let note =
            format!("{:.0} events/s; ours loads from its cache where it can, the stock executor loads every time", rate * events as f64);
        rows.push(pairs.row(&work, "commands/s").target(format!("≥ {factor} x"), ratio >= factor).note(note));
        drop(stock);
        Arc::into_inner(ours).context("nothing is in flight")?.core.close().await;
        stand.drop_database("executor").await?;
        stand.drop_database("executor_stock").await?;
    }
    Ok(rows)
}

/// The commands with a number: each gives the task another title.
fn commands(number: usize, events: usize) -> Vec<TaskCommand> {
    let rename = |part| UpdateTask { title: Some(title(number * 10 + part)), ..UpdateTask::default() };
    (0..events).map(|part| TaskCommand::Update(Box::new(rename(part)))).collect()
}

struct Ours {
    core: Core,
    caller: Caller,
    project: ProjectId,
    tasks: Vec<TaskId>,
}

impl Ours {
    async fn begin(stand: &Stand, tasks: usize) -> Result<Self> {
        let url = stand.database("executor").await?;
        let core = stand.core(&url).await?;
        let caller = owner(WorkspaceId(Uuid::now_v7()));
        let create = ProjectCreateInput { key: "BENCH".to_owned(), name: "Bench".to_owned(), ..ProjectCreateInput::default() };
        let project = ProjectId(core.application.execute(by(caller), Command::ProjectCreate(create)).await?.aggregate_id);
        let ids: Vec<TaskId> = (0..tasks).map(|_| TaskId(Uuid::now_v7())).collect();
        at_once(IN_FLIGHT, tasks, |number| {
            let (application, id) = (Arc::clone(&core.application), ids[number]);
            async move {
                let title = title(number).to_string();
                let input = TaskCreateInput { id: Some(id.0), project_id: project.0, title, ..TaskCreateInput::default() };
                application.execute(by(caller), Command::TaskCreate(input)).await?;
                Ok(())
            }
        })
        .await?;
        Ok(Self { core, caller, project, tasks: ids })
    }

    async fn send(self: Arc<Self>, number: usize, events: usize) -> Result<()> {
        let application: &Application = &self.core.application;
        let id = self.tasks[number % self.tasks.len()];
        if events == 1 {
            let input = TaskUpdateInput {
                command_id: None,
                expected_version: None,
                id: id.0,
                title: Patch::Value(title(number * 10).to_string()),
                description: Patch::Absent,
                category: Patch::Absent,
                tags: Patch::Absent,
                estimate_minutes: Patch::Absent,
            };
            application.execute(by(self.caller), Command::TaskUpdate(input)).await?;
        } else {
            application.execute_together(&by(self.caller), id, self.project, commands(number, events)).await?;
        }
        Ok(())
    }
}

struct Stock {
    framework: PostgresCqrs<Several>,
    home: Home,
    caller: Caller,
    tasks: Vec<TaskId>,
}

impl Stock {
    async fn begin(stand: &Stand, tasks: usize) -> Result<Self> {
        let url = stand.empty_database("executor_stock").await?;
        let pool = connect(&url, STOCK_CONNECTIONS).await?;
        sqlx::raw_sql(include_str!("../../peer/src/tables.sql")).execute(&pool).await?;
        let caller = owner(WorkspaceId(Uuid::now_v7()));
        // The project is given to it: it need neither load nor guard it.
        let key = ProjectKey::new("BENCH")?;
        let home = Home { id: ProjectId(Uuid::now_v7()), workspace_id: caller.workspace, key, time_zone: Tz::UTC, phase: Phase::Active };
        let ids: Vec<TaskId> = (0..tasks).map(|_| TaskId(Uuid::now_v7())).collect();
        let stock = Arc::new(Self { framework: postgres_cqrs(pool, vec![], ()), home, caller, tasks: ids });
        at_once(IN_FLIGHT, tasks, |number| {
            let stock = Arc::clone(&stock);
            async move {
                let create = CreateTask {
                    project_id: stock.home.id,
                    title: title(number),
                    description: Description::empty(),
                    priority: Priority::Medium,
                    category: None,
                    tags: Tags::new([])?,
                    assignee_ids: Assignees::new([])?,
                    due: None,
                    estimate_minutes: None,
                };
                stock.execute(number, vec![TaskCommand::Create(Box::new(create))]).await
            }
        })
        .await?;
        Arc::into_inner(stock).context("nothing is in flight")
    }

    /// Again where a command that was held up meets a later one on the same task, as ours does by itself.
    async fn execute(&self, number: usize, commands: Vec<TaskCommand>) -> Result<()> {
        let task = self.tasks[number % self.tasks.len()].to_string();
        loop {
            let command = SeveralCommands { project: self.home.id, commands: commands.clone() };
            let context = TaskContext::new(self.home.clone());
            let (by, workspace) = (self.caller.actor, self.caller.workspace);
            let issued = Issued { by, workspace, at: Utc::now().into(), command, context };
            match self.framework.execute(&task, issued).await {
                Err(AggregateError::AggregateConflict) => {}
                done => return Ok(done?),
            }
        }
    }

    async fn send(self: Arc<Self>, number: usize, events: usize) -> Result<()> {
        self.execute(number, commands(number, events)).await
    }
}
