//! Read models on a real database: they say what the events say, whatever happens to whoever keeps them, and queries
//! answer from them as the contract has it.

mod answers;
mod beside;
mod build_lease;
mod deployments;
mod filters;
mod going_back;
mod groups;
mod history;
mod other_log;
mod overdue;
mod pages;
mod parked;
mod rebuilt;
mod rows;
mod runner;
mod statements;
mod switching;
mod under_load;
mod wakes;
mod workspaces;

use projections::runner::{Projection, all};
use server::wire::Core;
use sqlx::PgPool;
use std::sync::Arc;
use tests::app::settings;
use tests::database::TestDatabase;

/// The parts of a node on a database, with nobody at work.
async fn core(database: &TestDatabase) -> Core {
    Core::open(&settings(&database.url)).await.expect("the database is there")
}

/// A read model by its name.
fn projection(name: &str) -> Arc<dyn Projection> {
    all().into_iter().find(|projection| projection.name() == name).expect("there is such a read model")
}

/// How many rows a table has, and a hash of them all.
async fn content(pool: &PgPool, table: &str) -> (i64, String) {
    let sql =
        format!("SELECT count(*), md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\"), '')) FROM milepost.{table} t");
    sqlx::query_as(&sql).fetch_one(pool).await.expect("the table can be read")
}

/// The live version of a read model and its position.
async fn live(pool: &PgPool, name: &str) -> (i32, i64) {
    sqlx::query_as("SELECT version, position FROM milepost.projections WHERE name = $1 AND state = 'live'")
        .bind(name)
        .fetch_one(pool)
        .await
        .expect("there is a live version")
}

/// Runs statements as the superuser.
async fn plant(pool: &PgPool, statements: &str) {
    sqlx::raw_sql(statements).execute(pool).await.expect("the statements run");
}
