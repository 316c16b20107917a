//! The append statement with 512 units at once. Against a bare INSERT of the same rows into a table with the same indexes.

use super::Pairs;
use crate::filling::{metadata, title};
use crate::people::owner;
use crate::report::Row;
use crate::stand::{Stand, connect};
use anyhow::{Result, ensure};
use application::caller::{Caller, Source};
use application::ports::{CommandKey, NewEvent, Unit};
use domain::event::Event;
use domain::ids::WorkspaceId;
use domain::task::{TaskChanges, TaskEvent, TaskUpdated};
use domain::values::Change;
use infrastructure::event_store::bench::Batch;
use infrastructure::postgres::connect_options;
use sqlx::{ConnectOptions, Executor, PgConnection};
use std::time::Instant;
use uuid::Uuid;

const UNITS: usize = 512;

const BARE: &str = "INSERT INTO bare SELECT n.position, n.workspace_id, n.aggregate_type, n.aggregate_id, n.sequence, n.event_id, \
       n.event_type, n.event_version, n.payload::json, n.metadata::jsonb, now(), n.source, n.command, n.hash, n.size \
     FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::text[], \
       $10::text[], $11::smallint[], $12::uuid[], $13::bytea[], $14::int[]) \
     AS n(position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, payload, metadata, \
       source, command, hash, size)";

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let mut rows = vec![];
    for (events, factor) in [(1, 0.8), (5, 1.1)] {
        let url = stand.database("batch").await?;
        connect(&url, 1).await?.execute("CREATE TABLE bare (LIKE milepost.events INCLUDING ALL)").await?;
        // Both on a connection as the appender has it.
        let options = connect_options(&url)?.options([("plan_cache_mode", "force_generic_plan")]);
        let (mut ours, mut bare) = (options.connect().await?, options.connect().await?);
        let caller = owner(WorkspaceId(Uuid::now_v7()));
        let mut pairs = Pairs::default();
        let mut position = 1;
        for _ in 0..stand.sizes.pairs {
            stand.settle().await?;
            let our_rate = appended(&mut ours, caller, stand.sizes.batches, events).await?;
            stand.settle().await?;
            let bare_rate = inserted(&mut bare, caller, stand.sizes.batches, events, &mut position).await?;
            pairs.add(our_rate, bare_rate);
        }
        let ratio = pairs.ratio();
        let row = pairs.row(&format!("append, batch {UNITS}, {events}-event units"), "events/s");
        rows.push(row.target(format!("≥ {factor} x"), ratio >= factor).note("units with command ids, on one connection"));
        drop((ours, bare));
        stand.drop_database("batch").await?;
    }
    Ok(rows)
}

/// A command on a new stream.
fn unit(caller: Caller, events: usize) -> Unit {
    let id = Uuid::now_v7();
    let event = |version: i64| {
        let change = Change { from: title(usize::try_from(version).unwrap_or(0)), to: title(1_000) };
        let changes = TaskChanges { title: Some(change), ..TaskChanges::default() };
        let event = Event::Task(TaskEvent::TaskUpdated(Box::new(TaskUpdated { changes })));
        NewEvent { event_id: Uuid::now_v7(), aggregate_id: id, version, metadata: metadata(caller.actor), event }
    };
    Unit {
        generation: 0,
        workspace: caller.workspace,
        subject: id,
        source: Source::Client,
        key: Some(CommandKey { source: Source::Client, id: Uuid::now_v7(), request_hash: [7; 32] }),
        events: (1..=events as i64).map(event).collect(),
        guards: vec![],
        claims: vec![],
        releases: vec![],
        line: None,
    }
}

fn units(caller: Caller, events: usize) -> Vec<Unit> {
    (0..UNITS).map(|_| unit(caller, events)).collect()
}

async fn appended(connection: &mut PgConnection, caller: Caller, batches: usize, events: usize) -> Result<f64> {
    let prepared: Vec<Batch> = (0..batches + 1).map(|_| Batch::of(units(caller, events))).collect();
    prepared[0].append(connection).await?;
    let started = Instant::now();
    for batch in &prepared[1..] {
        ensure!(batch.append(connection).await? == UNITS, "every unit is taken");
    }
    Ok((batches * UNITS * events) as f64 / started.elapsed().as_secs_f64())
}

/// The rows of a batch, encoded.
struct Rows {
    units: Vec<Unit>,
    payloads: Vec<String>,
    metadata: Vec<String>,
}

impl Rows {
    fn of(units: Vec<Unit>) -> Self {
        let events = || units.iter().flat_map(|unit| &unit.events);
        let (payloads, metadata) = (events().map(|new| new.event.encode()).collect(), events().map(|new| new.metadata.encode()).collect());
        Self { units, payloads, metadata }
    }

    /// One value for each event: of the unit, and of the event; `first` says whether it is the unit's first.
    fn all<'a, T>(&'a self, value: impl Fn(&'a Unit, &'a NewEvent, bool) -> T) -> Vec<T> {
        let of = |unit: &'a Unit| unit.events.iter().enumerate().map(move |(number, new)| (unit, new, number == 0));
        self.units.iter().flat_map(of).map(|(unit, new, first)| value(unit, new, first)).collect()
    }

    async fn insert(&self, connection: &mut PgConnection, position: &mut i64) -> Result<()> {
        let count = self.payloads.len() as i64;
        let positions: Vec<i64> = (*position..*position + count).collect();
        *position += count;
        let key = |unit: &Unit| unit.key.clone();
        sqlx::query(BARE)
            .bind(positions)
            .bind(self.all(|unit, _, _| unit.workspace.0))
            .bind(self.all(|_, new, _| new.event.aggregate_type().word()))
            .bind(self.all(|_, new, _| new.aggregate_id.to_string()))
            .bind(self.all(|_, new, _| new.version))
            .bind(self.all(|_, new, _| new.event_id))
            .bind(self.all(|_, new, _| new.event.name()))
            .bind(self.all(|_, _, _| "1"))
            .bind(&self.payloads)
            .bind(&self.metadata)
            .bind(self.all(|unit, _, first| first.then(|| unit.source.number())))
            .bind(self.all(|unit, _, first| key(unit).filter(|_| first).map(|key| key.id)))
            .bind(self.all(|unit, _, first| key(unit).filter(|_| first).map(|key| key.request_hash.to_vec())))
            .bind(self.all(|unit, _, first| first.then_some(unit.events.len() as i32)))
            .execute(connection)
            .await?;
        Ok(())
    }
}

async fn inserted(connection: &mut PgConnection, caller: Caller, batches: usize, events: usize, position: &mut i64) -> Result<f64> {
    let prepared: Vec<Rows> = (0..batches + 1).map(|_| Rows::of(units(caller, events))).collect();
    prepared[0].insert(connection, position).await?;
    let started = Instant::now();
    for rows in &prepared[1..] {
        rows.insert(connection, position).await?;
    }
    Ok((batches * UNITS * events) as f64 / started.elapsed().as_secs_f64())
}
