//! Building `task_list` anew. Against reading the same rows of the log and doing nothing with them.

use super::Pairs;
use crate::filling;
use crate::numbers::{median, thousands};
use crate::report::Row;
use crate::stand::Stand;
use anyhow::{Context, Result};
use futures::TryStreamExt;
use projections::model::ReadModel;
use projections::runner::{Projection, all};
use projections::task_list::TaskList;
use sqlx::{PgPool, Row as _};
use std::sync::Arc;
use std::time::Instant;

const READ: &str = "SELECT position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, \
                    payload::text, metadata::text, recorded_at FROM milepost.events WHERE event_type = ANY($1) ORDER BY position";

/// A read model by name.
pub(super) fn named(name: &str) -> Result<Arc<dyn Projection>> {
    all().into_iter().find(|projection| projection.name() == name).context("there is such a read model")
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let url = stand.database("rebuild").await?;
    let events = filling::tasks(&url, stand.sizes.rebuild_events).await?.events;
    let core = stand.core(&url).await?;
    let projection = named(TaskList::NAME)?;
    let mut pairs = Pairs::default();
    for _ in 0..stand.sizes.pairs {
        stand.settle().await?;
        let started = Instant::now();
        let built = projection.rebuild(&core.run_context, &|_| {}).await?;
        let our_rate = built.events as f64 / started.elapsed().as_secs_f64();
        // What is kept for going back would only fill the disk here.
        projection.drop_old(&core.run_context.pool).await?;
        stand.settle().await?;
        pairs.add(our_rate, read(&core.database.worker).await?);
    }
    core.close().await;
    stand.drop_database("rebuild").await?;
    let (ratio, rate) = (pairs.ratio(), median(&pairs.ours));
    let row = pairs.row(&format!("rebuild of `task_list` from {} events", thousands(events)), "events/s");
    let note = "five events a task, 2,000 tasks in progress at the same time; the peer streams the rows and decodes nothing";
    Ok(vec![row.target("≥ 0.3 x", ratio >= 0.3).target("≥ 60,000/s", rate >= 60_000.0).note(note)])
}

async fn read(pool: &PgPool) -> Result<f64> {
    let types = TaskList::event_types();
    let started = Instant::now();
    let mut rows = sqlx::query(READ).bind(types).fetch(pool);
    let (mut count, mut bytes) = (0_u64, 0);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        bytes += row.try_get::<&str, _>(8)?.len();
    }
    anyhow::ensure!(bytes > 0, "there are rows");
    Ok(count as f64 / started.elapsed().as_secs_f64())
}
