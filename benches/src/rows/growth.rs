//! What a long log costs: appends, and pages of tasks. Against a short one.

use super::Pairs;
use super::queries::filled;
use crate::dice::Dice;
use crate::filling::{Filled, metadata, title};
use crate::load::at_once;
use crate::numbers::thousands;
use crate::people::owner;
use crate::report::Row;
use crate::stand::Stand;
use anyhow::{Result, ensure};
use application::ports::{Appended, EventLog, NewEvent, Unit};
use chrono::Utc;
use domain::event::Event;
use domain::task::{TaskChanges, TaskEvent, TaskUpdated};
use domain::values::Change;
use projections::project_overview::ProjectSelection;
use projections::querying::page::Window;
use projections::task_list::{TaskFilter, TaskSelection, list_tasks};
use server::wire::Core;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

const IN_FLIGHT: usize = 64;
const READERS: usize = 8;
/// Pages that a reader goes through before it begins anew.
const PAGES: usize = 20;

/// A log of some length, with its read models.
struct Side {
    core: Arc<Core>,
    filled: Filled,
    dice: Dice,
    cursors: Arc<Vec<Option<String>>>,
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let mut short = Side::begin(stand, "growth_short", stand.sizes.log_short).await?;
    let mut long = Side::begin(stand, "growth_long", stand.sizes.log_long).await?;
    // Pages first: appends change what is read.
    let mut pages = Pairs::default();
    for side in [&short, &long] {
        side.pages(stand.sizes.growth_pages / 5 + 1).await?;
    }
    for _ in 0..stand.sizes.pairs {
        let (long, short) = (long.pages(stand.sizes.growth_pages).await?, short.pages(stand.sizes.growth_pages).await?);
        pages.add(long, short);
    }
    let mut appends = Pairs::default();
    for _ in 0..stand.sizes.pairs {
        stand.settle().await?;
        let long = long.append(stand.sizes.growth_units).await?;
        stand.settle().await?;
        appends.add(long, short.append(stand.sizes.growth_units).await?);
    }
    for side in [short, long] {
        if let Some(core) = Arc::into_inner(side.core) {
            core.close().await;
        }
    }
    stand.drop_database("growth_short").await?;
    stand.drop_database("growth_long").await?;
    let (append_ratio, page_ratio) = (appends.ratio(), pages.ratio());
    let (long, short) = (thousands(stand.sizes.log_long as i64), thousands(stand.sizes.log_short as i64));
    let note = format!("{IN_FLIGHT} in flight, 70% to random old streams, 30% to new ones; the short log grows as it is measured");
    Ok(vec![
        appends.row(&format!("append at {long} events, against {short}"), "commands/s").target("≥ 0.8 x", append_ratio >= 0.8).note(note),
        pages
            .row(&format!("`tasks` page at {long} events, against {short}"), "pages/s")
            .target("≥ 0.95 x", page_ratio >= 0.95)
            .note(format!("50 rows with nested project, the first {PAGES} pages, {READERS} readers")),
    ])
}

impl Side {
    async fn begin(stand: &Stand, name: &str, events: usize) -> Result<Self> {
        let url = stand.database(name).await?;
        let filled = filled(stand, &url, events).await?;
        let core = Arc::new(stand.core(&url).await?);
        let mut cursors = vec![None];
        while cursors.len() < PAGES {
            let last = page(&core, &filled, cursors[cursors.len() - 1].clone()).await?;
            match last {
                Some(cursor) => cursors.push(Some(cursor)),
                None => break,
            }
        }
        Ok(Self { core, filled, dice: Dice::new(11), cursors: Arc::new(cursors) })
    }

    async fn pages(&self, count: usize) -> Result<f64> {
        let filled = Arc::new(Filled { tasks: vec![], ..self.filled });
        at_once(READERS, count, |number| {
            let (core, filled, cursors) = (Arc::clone(&self.core), Arc::clone(&filled), Arc::clone(&self.cursors));
            async move {
                page(&core, &filled, cursors[number % cursors.len()].clone()).await?;
                Ok(())
            }
        })
        .await
    }

    /// Appends units, most of them to streams that are there.
    async fn append(&mut self, count: usize) -> Result<f64> {
        let mut units = vec![];
        for _ in 0..count {
            let (id, version) = if self.dice.below(10) < 7 {
                let at = self.dice.below(self.filled.tasks.len());
                let (id, version) = &mut self.filled.tasks[at];
                *version += 1;
                (id.0, *version)
            } else {
                (Uuid::now_v7(), 1)
            };
            units.push(Some(self.unit(id, version)));
        }
        let units = Arc::new(Mutex::new(units));
        // A stream may be chosen twice while in flight, and the second may be sent first: it is sent again.
        at_once(IN_FLIGHT, count, |number| {
            let (log, units) = (Arc::clone(&self.core.log), Arc::clone(&units));
            async move {
                let unit = units.lock().unwrap_or_else(PoisonError::into_inner)[number].take();
                let Some(unit) = unit else { return Ok(()) };
                loop {
                    match log.append(unit.clone()).await? {
                        Appended::Done { .. } => return Ok(()),
                        Appended::Moved { found, .. } if found < unit.events[0].version => {}
                        other => ensure!(false, "a unit was not taken: {other:?}"),
                    }
                }
            }
        })
        .await
    }

    fn unit(&self, id: Uuid, version: i64) -> Unit {
        let caller = owner(self.filled.workspace);
        let change = Change { from: title(1), to: title(2) };
        let changes = TaskChanges { title: Some(change), ..TaskChanges::default() };
        let event = Event::Task(TaskEvent::TaskUpdated(Box::new(TaskUpdated { changes })));
        let new = NewEvent { event_id: Uuid::now_v7(), aggregate_id: id, version, metadata: metadata(caller.actor), event };
        Unit {
            generation: 0,
            workspace: caller.workspace,
            subject: id,
            source: application::caller::Source::Client,
            key: None,
            events: vec![new],
            guards: vec![],
            claims: vec![],
            releases: vec![],
            line: None,
        }
    }
}

/// Reads a page, and gives the cursor behind it if there is more.
async fn page(core: &Core, filled: &Filled, after: Option<String>) -> Result<Option<String>> {
    let window = Window { limit: 50, backward: false, after, before: None, total: false };
    let selection = TaskSelection { project: Some(ProjectSelection::default()), ..TaskSelection::default() };
    let filter = TaskFilter::default();
    let page = list_tasks(&core.database.service, filled.workspace, &filter, &[], &window, selection, Utc::now()).await?;
    ensure!(!page.rows.is_empty(), "the page has rows");
    Ok(page.rows.last().filter(|_| page.has_next).map(|(_, place)| place.cursor()))
}
