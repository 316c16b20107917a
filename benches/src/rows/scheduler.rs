//! The scheduler with many schedules of which few are due. Against few schedules of which as many are due.

use super::rebuild::named;
use crate::cpu::Counted;
use crate::filling;
use crate::numbers::{median, short, thousands};
use crate::report::Row;
use crate::stand::{Stand, connect};
use anyhow::{Context, Result};
use application::deadline_scheduler;
use application::ports::Clock;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use projections::model::ReadModel;
use projections::schedules::Schedules;
use server::adapters::ScheduleDeadlines;
use server::wire::Core;
use sqlx::{Executor, PgPool};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long before the due moment the usual warning fires.
const WARNING: TimeDelta = TimeDelta::days(3);
const PATIENCE: Duration = Duration::from_secs(120);

/// A clock that stands still until it is moved.
struct HandClock(watch::Sender<DateTime<Utc>>);

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.borrow()
    }

    async fn sleep_until(&self, moment: DateTime<Utc>) {
        let _ = self.0.subscribe().wait_for(|now| *now >= moment).await;
    }
}

/// What it took until all that was due had fired.
#[derive(Default)]
struct Costs {
    rows: Vec<f64>,
    /// Microseconds of this process and PostgreSQL for each moment.
    micros: Vec<f64>,
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let sizes = stand.sizes;
    let (mut few, mut many) = (Costs::default(), Costs::default());
    for _ in 0..sizes.pairs.min(3) {
        few.add(fire(stand, sizes.schedules_few).await?);
        many.add(fire(stand, sizes.schedules_many).await?);
    }
    let (work, few_work) = (thousands(sizes.schedules_many as i64), thousands(sizes.schedules_few as i64));
    let row = |what: &str, many: &[f64], few: &[f64], unit: &str| {
        let ratio = median(many) / median(few);
        let work = format!("scheduler, {work} schedules of which {} are due: {what}", sizes.due_at_once);
        Row::of(work, format!("{} {unit}", short(median(many))))
            .against(format!("{} {unit}", short(median(few))), ratio)
            .target("≤ 1.1 x", ratio <= 1.1)
            .note(format!("against {few_work} schedules of which as many are due; {} moments", sizes.due_rounds))
    };
    Ok(vec![row("rows read", &many.rows, &few.rows, "rows"), row("CPU", &many.micros, &few.micros, "µs a moment")])
}

impl Costs {
    fn add(&mut self, (rows, micros): (f64, f64)) {
        eprintln!("  {rows:.0} rows, {micros:.0} µs a moment");
        self.rows.push(rows);
        self.micros.push(micros);
    }
}

/// Rows read, and microseconds for each moment at which some fall due.
async fn fire(stand: &Stand, schedules: usize) -> Result<(f64, f64)> {
    let sizes = stand.sizes;
    let url = stand.database("scheduler").await?;
    let begin = Utc::now();
    let due = sizes.due_rounds * sizes.due_at_once;
    let moment = |round: usize| begin + TimeDelta::hours(round as i64 + 1);
    let far = begin + TimeDelta::days(3_650);
    let dates = (0..schedules)
        .map(|number| if number < due { moment(number / sizes.due_at_once) + WARNING } else { far + TimeDelta::minutes(number as i64) });
    filling::schedules(&url, dates).await?;
    let clock = Arc::new(HandClock(watch::Sender::new(begin)));
    let core = stand.core_at(&url, clock.clone()).await?;
    let model = named(Schedules::NAME)?;
    model.rebuild(&core.run_context, &|_| {}).await?;
    let pool = connect(&url, 1).await?;
    pool.execute("VACUUM ANALYZE").await?;
    core.close().await;
    settled(&pool).await?;

    let core = stand.core_at(&url, clock.clone()).await?;
    model.prepare(&core.run_context).await?;
    let before = rows_read(&pool).await?;
    stand.settle().await?;
    let micros = run(stand, &core, &clock, moment).await?;
    core.close().await;
    settled(&pool).await?;
    let rows = rows_read(&pool).await? - before;
    pool.close().await;
    stand.drop_database("scheduler").await?;
    Ok((rows, micros / sizes.due_rounds as f64))
}

/// Lets the scheduler and its read model run while the clock is moved from moment to moment.
async fn run(stand: &Stand, core: &Core, clock: &HandClock, moment: impl Fn(usize) -> DateTime<Utc>) -> Result<f64> {
    let sizes = stand.sizes;
    sqlx::query("INSERT INTO milepost.leases (name, holder, epoch, expires_at) VALUES ($1, gen_random_uuid(), 1, 'infinity')")
        .bind(named(Schedules::NAME)?.lease())
        .execute(&core.database.worker)
        .await?;
    let (_held, lease) = watch::channel(Some(1));
    let (run_context, model, kept) = (core.run_context.clone(), named(Schedules::NAME)?, lease.clone());
    let keeping = tokio::spawn(async move { model.run(&run_context, kept).await });
    let deadlines = ScheduleDeadlines { pool: core.database.worker.clone(), progress: Arc::clone(&core.run_context.progress) };
    let application = Arc::clone(&core.application);
    let ticking = tokio::spawn(async move { deadline_scheduler::run(&application, &deadlines, lease, &watch::Sender::new(())).await });
    let mut read = core.run_context.progress.watch(Schedules::NAME).context("the read model is followed")?;
    let begun = *core.run_context.log.head().borrow();
    tokio::time::timeout(PATIENCE, read.wait_for(|position| *position >= Some(begun))).await??;

    let (ours, postgres) = (Counted::Process(i32::try_from(std::process::id())?).start()?, stand.postgres().await?.start()?);
    for round in 0..sizes.due_rounds {
        clock.0.send_replace(moment(round));
        let wanted = begun + ((round + 1) * sizes.due_at_once) as i64;
        tokio::time::timeout(PATIENCE, read.wait_for(|position| *position >= Some(wanted))).await.context("all that is due fires")??;
    }
    let micros = ours.micros()? + postgres.micros()?;
    ticking.abort();
    keeping.abort();
    Ok(micros)
}

/// Rows that statements have read so far, of all tables.
async fn rows_read(pool: &PgPool) -> Result<f64> {
    let sql = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::float8 FROM pg_stat_user_tables";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Waits until all other connections have ended: only then have they said what they read.
async fn settled(pool: &PgPool) -> Result<()> {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(pool).await? > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
