//! Time passes, deadlines fire, and schedules follow their tasks.

mod audit;
mod calendar;
mod crashes;
mod downtime;
mod followers;
mod gone;
mod history;
mod model;
mod months;
mod nodes;
mod parked;
mod proxy;
mod second_60;
mod stuck;
mod tasks;
mod zones;

use application::Application;
use application::caller::Caller;
use application::command::Command;
use chrono::{DateTime, Utc};
use projections::runner;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::sync::Arc;
use tests::app::{How, TestApp};
use tests::builders;
use tests::clock::MovedClock;
use tests::database::TestDatabase;
use tests::wait::until;
use uuid::Uuid;

/// A database, a clock, and somebody who sends commands to whatever nodes there are.
struct Scene {
    database: Arc<TestDatabase>,
    pool: PgPool,
    clock: Arc<MovedClock>,
    caller: Caller,
}

impl Scene {
    /// On a database of its own, at a moment.
    async fn at(moment: &str) -> Self {
        let database = Arc::new(TestDatabase::new().await);
        let pool = database.pool().await;
        let clock = Arc::new(MovedClock::at(instant(moment)));
        Self { database, pool, clock, caller: builders::somebody() }
    }

    /// A node. Its client is in the workspace of the scene.
    async fn node(&self) -> TestApp {
        let workspace = Some(self.caller.workspace.0);
        let (database, clock) = (Some(Arc::clone(&self.database)), Some(Arc::clone(&self.clock)));
        TestApp::start_with(How { database, clock, workspace, ..How::default() }).await
    }

    /// The present moment.
    fn now(&self) -> DateTime<Utc> {
        use application::ports::Clock;
        self.clock.now()
    }

    /// Sends a command that must be carried out, and gives the id of its aggregate.
    async fn must(&self, app: &TestApp, name: &str, input: Value) -> Uuid {
        must(&app.core().application, self.caller, name, input).await
    }

    /// A new project with a zone.
    async fn project(&self, app: &TestApp, zone: &str) -> Uuid {
        let key = builders::new_project().key;
        self.must(app, "projectCreate", json!({ "key": key, "name": "A project", "timeZone": zone })).await
    }

    /// Moves the clock, and waits until everything that follows has happened.
    async fn moved_to(&self, moment: DateTime<Utc>) {
        self.clock.set(moment);
        at_rest(&self.pool, moment).await;
    }

    /// Waits until everything that follows has happened.
    async fn at_rest(&self) {
        at_rest(&self.pool, self.now()).await;
    }
}

/// A moment.
fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A command by its name and input, as the import reads it.
fn command(name: &str, input: Value) -> Command {
    serde_json::from_value(json!({ "command": name, "input": input })).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Sends a command that must be carried out, and gives the id of its aggregate.
async fn must(application: &Application, caller: Caller, name: &str, input: Value) -> Uuid {
    let sent = builders::send(application, caller, command(name, input.clone())).await;
    sent.unwrap_or_else(|error| panic!("{name} {input}: {error}")).aggregate_id
}

/// Waits until read models and reactions have seen the whole log, and nothing that is due has yet to fire.
async fn at_rest(pool: &PgPool, now: DateTime<Utc>) {
    until("everything is taken in and what is due has fired", || async {
        let at_rest: Result<bool, sqlx::Error> = sqlx::query_scalar(
            "WITH log AS (SELECT coalesce(max(position), 0) AS head FROM milepost.events) \
             SELECT (SELECT count(*) FROM milepost.projections, log WHERE state = 'live' AND position >= head) = $2 \
               AND coalesce((SELECT position FROM milepost.checkpoints WHERE name LIKE 'keep_schedule%'), 0) = (SELECT head FROM log) \
               AND NOT EXISTS (SELECT FROM milepost.schedules WHERE next_fire_at <= $1 AND NOT project_at_rest AND NOT hidden)",
        )
        .bind(now)
        .bind(runner::all().len() as i64)
        .fetch_one(pool)
        .await;
        match at_rest {
            Ok(at_rest) => at_rest.then_some(()),
            // On a log that has events already, a node builds the read model before it shows it.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => None,
            Err(error) => panic!("the database answers: {error}"),
        }
    })
    .await;
}
