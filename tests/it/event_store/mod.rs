//! The event store and the executor on a real PostgreSQL: order, exactly once, all or nothing, whatever dies meanwhile.

mod across_aggregates;
mod appender;
mod head;
mod interrupted;
mod large;
mod line;
mod long_streams;
mod migrations;
mod model;
mod once;
mod order;
mod stock_framework;
mod time_and_permanence;
mod units;

use application::caller::{Circumstances, Source};
use application::command::Command;
use application::error::CommandError;
use application::executor::Outcome;
use application::inputs::{ProjectInput, TaskCommentInput};
use application::ports::{EventLog, NewEvent, Unit};
use domain::event::{Event, Metadata};
use domain::ids::{CommentId, ProjectId, UserId, WorkspaceId};
use domain::task::{Status, TaskCommented, TaskCreated, TaskEvent, TaskPriorityChanged};
use domain::values::{Assignees, CommentBody, Description, Priority, ProjectKey, Tags, Title};
use server::wire::Core;
use sqlx::{PgPool, Postgres, Transaction};
use std::sync::Arc;
use tests::app::settings;
use tests::builders::by;
use tests::database::TestDatabase;
use tests::wait::until;
use uuid::Uuid;

/// Nodes without doors on one database, and connections of the superuser beside them.
struct Nodes {
    database: TestDatabase,
    cores: Vec<Core>,
    sql: PgPool,
}

impl Nodes {
    async fn start(count: usize) -> Self {
        let database = TestDatabase::new().await;
        let sql = database.pool().await;
        let mut cores = vec![];
        for _ in 0..count {
            cores.push(open(&database).await);
        }
        Self { database, cores, sql }
    }

    fn log(&self) -> Arc<dyn EventLog> {
        self.cores[0].log.clone()
    }

    async fn events(&self) -> i64 {
        count(&self.sql, "milepost.events").await
    }
}

async fn open(database: &TestDatabase) -> Core {
    Core::open(&settings(&database.url)).await.expect("the database is there")
}

async fn count(sql: &PgPool, table: &str) -> i64 {
    sqlx::query_scalar(&format!("SELECT count(*) FROM {table}")).fetch_one(sql).await.expect("tables can be counted")
}

/// What holds of every log: positions and versions without gaps, both in the same order, time that never goes back,
/// and units that lie together.
async fn assert_whole(sql: &PgPool) {
    let faults: Vec<(i64, String)> = sqlx::query_as(
        "SELECT position, fault FROM ( \
           SELECT position, array_to_string(ARRAY[ \
             CASE WHEN position <> row_number() OVER total THEN 'a gap before it' END, \
             CASE WHEN sequence <> row_number() OVER stream THEN 'a wrong version' END, \
             CASE WHEN recorded_at < lag(recorded_at) OVER total THEN 'time goes back' END, \
             CASE WHEN (position = 1 OR lag(unit_end) OVER total = position - 1) <> (unit_size IS NOT NULL) THEN 'a torn unit' END], ', ') AS fault \
           FROM (SELECT *, max(position + unit_size - 1) OVER (ORDER BY position) AS unit_end FROM milepost.events) e \
           WINDOW total AS (ORDER BY position), stream AS (PARTITION BY aggregate_id ORDER BY position)) faults \
         WHERE fault <> '' ORDER BY position LIMIT 10",
    )
    .fetch_all(sql)
    .await
    .expect("the log can be read");
    assert_eq!(faults, [], "the log is not whole");
}

/// Changes the text of the append function in this database: a planted fault, or a point to stop at.
async fn change_append(sql: &PgPool, from: &str, to: &str) {
    let text: String = sqlx::query_scalar("SELECT pg_get_functiondef('milepost.append'::regproc)").fetch_one(sql).await.expect("its text");
    assert!(text.contains(from), "the function does not hold {from:?}");
    sqlx::raw_sql(&text.replace(from, to)).execute(sql).await.expect("the function can be replaced");
}

/// Puts a clock that the test moves in the place of the server's, for the append function. `expression` is its time.
async fn plant_clock(sql: &PgPool, expression: &str) {
    let clock = format!(
        "CREATE SEQUENCE milepost.ticks; GRANT USAGE ON SEQUENCE milepost.ticks TO milepost_worker; \
         CREATE FUNCTION milepost.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT {expression} $$; \
         ALTER FUNCTION milepost.append SET search_path = milepost, pg_catalog, pg_temp"
    );
    sqlx::raw_sql(&clock).execute(sql).await.expect("a clock can be planted");
}

/// Holds every append before it looks at anything. It goes on when this is dropped.
async fn hold(sql: &PgPool) -> Transaction<'static, Postgres> {
    let mut holding = sql.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM milepost.log_head FOR UPDATE").execute(&mut *holding).await.expect("the head can be locked");
    holding
}

/// Holds every append after it has written its events, in the middle of its statement.
async fn hold_midway(sql: &PgPool) -> Transaction<'static, Postgres> {
    let plant = "CREATE OR REPLACE FUNCTION milepost.stop_here() RETURNS trigger LANGUAGE plpgsql AS \
                   $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$; \
                 CREATE OR REPLACE TRIGGER stop_here AFTER INSERT ON milepost.events \
                   FOR EACH STATEMENT EXECUTE FUNCTION milepost.stop_here()";
    sqlx::raw_sql(plant).execute(sql).await.expect("a trigger can be planted");
    let mut holding = sql.begin().await.expect("a transaction");
    sqlx::query("SELECT pg_advisory_xact_lock(1)").execute(&mut *holding).await.expect("a lock");
    holding
}

/// The server process of an append that is held.
async fn held_append(sql: &PgPool) -> i32 {
    until("an append is held", || async {
        sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE 'milepost appender %' AND wait_event_type = 'Lock'",
        )
        .fetch_optional(sql)
        .await
        .expect("activity can be read")
    })
    .await
}

/// Waits until a server process is gone.
async fn gone(sql: &PgPool, pid: i32) {
    until("the server process ends", || async {
        let there: Option<i32> =
            sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE pid = $1").bind(pid).fetch_optional(sql).await.expect("activity");
        there.is_none().then_some(())
    })
    .await;
}

/// Sends a command until it is not for a passing reason that it is not carried out.
async fn insist(core: &Core, how: &Circumstances, command: &Command) -> Result<Outcome, CommandError> {
    until("a command is carried out or refused", || async {
        match core.application.execute(how.clone(), command.clone()).await {
            Err(error) if error.is_passing() => None,
            settled => Some(settled),
        }
    })
    .await
}

fn comment(task: Uuid, body: &str) -> Command {
    Command::TaskComment(TaskCommentInput { command_id: None, id: task, body: body.to_owned() })
}

fn the_project(id: Uuid) -> ProjectInput {
    ProjectInput { command_id: None, expected_version: None, id }
}

/// The same command under an id.
fn under(id: Uuid, mut command: Command) -> Command {
    command.set_command_id(Some(id));
    command
}

/// A unit without anything.
fn unit(workspace: WorkspaceId, subject: Uuid) -> Unit {
    Unit { workspace, subject, ..Unit::nothing(0, Source::Client) }
}

/// A unit of one small event on a new stream.
fn small_unit() -> Unit {
    let stream = Uuid::now_v7();
    let mut unit = unit(WorkspaceId(Uuid::now_v7()), stream);
    unit.events.push(small(stream, 1));
    unit
}

fn new_event(stream: Uuid, version: i64, event: TaskEvent) -> NewEvent {
    let how = by(tests::builders::somebody());
    let metadata = Metadata {
        occurred_at: chrono::DateTime::UNIX_EPOCH.into(),
        actor: UserId(how.caller.actor.0),
        command_id: None,
        correlation_id: how.correlation_id,
        causation_id: None,
        traceparent: None,
        project_id: None,
    };
    NewEvent { event_id: Uuid::now_v7(), aggregate_id: stream, version, metadata, event: Event::Task(event) }
}

fn small(stream: Uuid, version: i64) -> NewEvent {
    new_event(stream, version, TaskEvent::TaskPriorityChanged(TaskPriorityChanged { from: Priority::Low, to: Priority::High }))
}

/// An event of a size, up to 64 KiB.
fn large(stream: Uuid, version: i64, bytes: usize) -> NewEvent {
    let body = CommentBody::new("x".repeat(bytes)).expect("a comment of this length");
    new_event(stream, version, TaskEvent::TaskCommented(TaskCommented { comment_id: CommentId(Uuid::now_v7()), body }))
}

/// An event that draws a number of a project.
fn drawing(stream: Uuid, project: ProjectId) -> NewEvent {
    let created = TaskCreated {
        number: 0,
        workspace_id: WorkspaceId(Uuid::nil()),
        project_id: project,
        project_key: ProjectKey::new("DRAW").expect("a key"),
        title: Title::new("Drawn").expect("a title"),
        description: Description::empty(),
        priority: Priority::Medium,
        category: None,
        tags: Tags::default(),
        assignee_ids: Assignees::default(),
        due: None,
        estimate_minutes: None,
        created_at: chrono::DateTime::UNIX_EPOCH.into(),
    };
    new_event(stream, 1, TaskEvent::TaskCreated(Box::new(created)))
}

/// A status that a new task can go to.
const ON: Status = Status::InProgress;
