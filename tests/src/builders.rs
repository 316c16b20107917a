//! Commands for the application layer, without doors.

use application::Application;
use application::caller::{Caller, Circumstances, Role, Source};
use application::command::Command;
use application::error::CommandError;
use application::executor::Outcome;
use application::inputs::{ProjectCreateInput, TaskCreateInput};
use domain::ids::{UserId, WorkspaceId};
use uuid::Uuid;

/// An owner of a new workspace.
pub fn somebody() -> Caller {
    Caller { actor: UserId(Uuid::now_v7()), workspace: WorkspaceId(Uuid::now_v7()), role: Role::Owner }
}

/// The circumstances of an ordinary command.
pub fn by(caller: Caller) -> Circumstances {
    Circumstances { caller, source: Source::Client, at: None, correlation_id: Uuid::now_v7(), causation_id: None, traceparent: None }
}

/// Sends a command.
pub async fn send(application: &Application, caller: Caller, command: Command) -> Result<Outcome, CommandError> {
    application.execute(by(caller), command).await
}

/// A command that begins a project under a random key.
pub fn new_project() -> ProjectCreateInput {
    let key = format!("T{}", &Uuid::new_v4().simple().to_string()[..8].to_uppercase());
    ProjectCreateInput { key, name: "A project".to_owned(), ..ProjectCreateInput::default() }
}

/// A command that begins a task.
pub fn new_task(project: Uuid, title: &str) -> TaskCreateInput {
    TaskCreateInput { project_id: project, title: title.to_owned(), ..TaskCreateInput::default() }
}

/// A new project's id.
pub async fn project(application: &Application, caller: Caller) -> Uuid {
    send(application, caller, Command::ProjectCreate(new_project())).await.expect("a project is created").aggregate_id
}

/// A new task's id.
pub async fn task(application: &Application, caller: Caller, project: Uuid, title: &str) -> Uuid {
    send(application, caller, Command::TaskCreate(new_task(project, title))).await.expect("a task is created").aggregate_id
}
