//! What reading costs: processor time of the server and of PostgreSQL for each request. Against the same SQL, sent as
//! psql sends it.

use super::rebuild::named;
use crate::cpu::Counted;
use crate::filling::{self, Filled};
use crate::load;
use crate::numbers::median;
use crate::people::signed_in;
use crate::process::Serving;
use crate::report::Row;
use crate::stand::{Stand, connect};
use anyhow::{Context, Result};
use projections::runner::all;
use serde_json::json;
use sqlx::{Executor, PgPool};
use std::sync::Arc;
use uuid::Uuid;

/// Clients at the same time.
const CLIENTS: usize = 8;

const BY_ID: &str = "query($id: ID!) { task(id: $id) { id key title status priority tags assigneeIds version updatedAt } }";
const PAGE: &str = "{ tasks(first: 50) { nodes { id key title status priority assigneeIds project { id key name status } } \
                    pageInfo { hasNextPage endCursor } } }";

/// Microseconds of the server, of PostgreSQL, and of PostgreSQL for the bare statement.
#[derive(Default)]
struct Costs {
    server: Vec<f64>,
    postgres: Vec<f64>,
    bare: Vec<f64>,
    per_second: Vec<f64>,
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let url = stand.database("queries").await?;
    let filled = Arc::new(filled(stand, &url, stand.sizes.query_events).await?);
    let serving = Serving::milepost(stand, &url, None).await?;
    let pool = connect(&url, u32::try_from(CLIENTS)?).await?;
    let asked = Asked { stand, serving: &serving, pool: &pool, filled: &filled };
    let one = asked.measure(stand.sizes.queries, by_id(&filled)).await?;
    let page = asked.measure(stand.sizes.queries / 4, |_| json!({ "query": PAGE }).to_string()).await?;
    serving.stop().await?;
    pool.close().await;
    stand.drop_database("queries").await?;
    Ok(vec![one.row("task by id", 65.0, 40.0), page.row("50 rows with nested project", 260.0, 150.0)])
}

/// Bodies that ask for one task each, all of them in turn.
pub(super) fn by_id(filled: &Arc<Filled>) -> impl Fn(usize) -> String + Send + Sync + Clone + use<> {
    let filled = Arc::clone(filled);
    move |number| {
        let id = filled.tasks[number * 7 % filled.tasks.len()].0;
        json!({ "query": BY_ID, "variables": { "id": id } }).to_string()
    }
}

/// Fills a database and brings every read model up to date.
pub(super) async fn filled(stand: &Stand, url: &str, events: usize) -> Result<Filled> {
    let filled = filling::tasks(url, events).await?;
    let core = stand.core(url).await?;
    for projection in all() {
        named(projection.name())?.rebuild(&core.run_context, &|_| {}).await?;
    }
    core.close().await;
    connect(url, 1).await?.execute("VACUUM ANALYZE").await?;
    stand.settle().await?;
    Ok(filled)
}

struct Asked<'a> {
    stand: &'a Stand,
    serving: &'a Serving,
    pool: &'a PgPool,
    filled: &'a Filled,
}

impl Asked<'_> {
    async fn measure(&self, count: usize, body: impl Fn(usize) -> String + Send + Sync + Clone + 'static) -> Result<Costs> {
        let to = signed_in(self.stand, &self.serving.address, self.filled.workspace)?;
        load::clients(&to, CLIENTS, count / 5, body.clone()).await?;
        let statement = self.statement().await?;
        let mut costs = Costs::default();
        for _ in 0..self.stand.sizes.pairs {
            let (server, postgres) = (Counted::Process(self.serving.pid).start()?, self.stand.postgres().await?.start()?);
            let run = load::clients(&to, CLIENTS, count, body.clone()).await?;
            costs.server.push(server.micros()? / count as f64);
            costs.postgres.push(postgres.micros()? / count as f64);
            costs.per_second.push(run.per_second);
            costs.bare.push(self.bare(&statement, count).await?);
            eprintln!("  {run:?}; {}", costs.words());
        }
        Ok(costs)
    }

    /// The statement that the server sent last, with its parameters.
    async fn statement(&self) -> Result<String> {
        let sent: String = sqlx::query_scalar(
            "SELECT query FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%milepost.task_list t%' \
             ORDER BY query_start DESC LIMIT 1",
        )
        .fetch_optional(self.pool)
        .await?
        .context("the server has asked for tasks")?;
        let (first, second) = if sent.contains("t.id = $1") {
            (self.filled.tasks[0].0.0, self.filled.workspace.0)
        } else {
            (self.filled.workspace.0, Uuid::nil())
        };
        Ok(sent.replace("$1", &format!("'{first}'")).replace("$2", &format!("'{second}'")))
    }

    /// Microseconds that PostgreSQL takes for the statement as text, parsed and planned each time.
    async fn bare(&self, statement: &str, count: usize) -> Result<f64> {
        let postgres = self.stand.postgres().await?.start()?;
        load::at_once(CLIENTS, count, |_| {
            let (pool, statement) = (self.pool.clone(), statement.to_owned());
            async move {
                sqlx::raw_sql(&statement).fetch_all(&pool).await?;
                Ok(())
            }
        })
        .await?;
        Ok(postgres.micros()? / count as f64)
    }
}

impl Costs {
    fn words(&self) -> String {
        format!("{:.0} + {:.0} µs, bare {:.0} µs", median(&self.server), median(&self.postgres), median(&self.bare))
    }

    fn row(&self, work: &str, server_max: f64, postgres_max: f64) -> Row {
        let (server, postgres, bare) = (median(&self.server), median(&self.postgres), median(&self.bare));
        Row::of(work, format!("{server:.0} + {postgres:.0} µs"))
            .against(format!("– + {bare:.0} µs"), postgres / bare)
            .target(format!("≤ {server_max:.0} + {postgres_max:.0} µs"), server <= server_max && postgres <= postgres_max)
            .note(format!(
                "CPU of server + PostgreSQL, {CLIENTS} clients, {:.0} requests/s; ratio of PostgreSQL's parts: the peer is the same SQL in the \
                 simple protocol, as psql sends it, planned again each time",
                median(&self.per_second)
            ))
    }
}
