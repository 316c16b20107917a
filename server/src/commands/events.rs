//! `milepost events`: read the log.

use super::stop::{stop_signals, unless_stopped};
use crate::cli::{Events, EventsCommand, Tail};
use crate::exit::Failure;
use crate::output;
use crate::wire::Core;
use application::nearest::nearest;
use application::ports::EventLog;
use chrono::SecondsFormat;
use domain::ids::WorkspaceId;
use infrastructure::config::Configuration;
use projections::activity::{Activity, EventFilter, EventRow, list_events};
use projections::model::ReadModel;
use serde_json::json;

const PAGE: usize = 500;
/// How many events are shown if no position is given.
const LAST: i64 = 20;

/// Prints events.
pub async fn run(arguments: Events, configuration: &Configuration) -> Result<(), Failure> {
    let EventsCommand::Tail(tail) = arguments.what;
    tail.types.iter().try_for_each(|name| known_type(name))?;
    let mut stop = stop_signals()?;
    let core = Core::open(&configuration.settings).await?;
    let result = unless_stopped(&mut stop, print_events(&core, &tail)).await.unwrap_or(Ok(()));
    core.close().await;
    result
}

/// An unknown type would never match.
fn known_type(name: &str) -> Result<(), Failure> {
    let known = Activity::event_types();
    if known.contains(&name) {
        return Ok(());
    }
    let suggestion = nearest(name, known.iter().copied()).map_or_else(String::new, |suggestion| format!("; did you mean {suggestion}?"));
    Err(Failure::wrong_use(format!("{name:?} is not an event type{suggestion}")))
}

async fn print_events(core: &Core, tail: &Tail) -> Result<(), Failure> {
    let filter =
        EventFilter { types: (!tail.types.is_empty()).then(|| tail.types.clone()), aggregate_id: tail.aggregate, ..EventFilter::default() };
    let mut head = core.log.head();
    let mut after = tail.after.unwrap_or_else(|| (*head.borrow() - LAST).max(0));
    loop {
        let workspace = tail.workspace.map(WorkspaceId);
        let page = list_events(&core.database.worker, workspace, &filter, after, PAGE)
            .await
            .map_err(|error| Failure::of_database("the log cannot be read", &error))?;
        for row in &page.rows {
            let line = if tail.json { json_line(row) } else { human_line(row) };
            if !output::line(format_args!("{line}")) {
                return Ok(());
            }
            after = row.position;
        }
        if page.has_next {
            continue;
        }
        if !tail.follow {
            return Ok(());
        }
        let known = *head.borrow_and_update();
        if known > after && page.rows.is_empty() {
            // The new events do not match the filter.
            after = known;
        }
        if head.wait_for(|head| *head > after).await.is_err() {
            return Ok(());
        }
    }
}

fn human_line(row: &EventRow) -> String {
    let at = row.metadata.occurred_at.utc().to_rfc3339_opts(SecondsFormat::Millis, true);
    format!(
        "{:>8}  {at}  {:<24} {} v{:<4} {}  (by {})",
        row.position, row.event_type, row.aggregate_id, row.version, row.summary, row.metadata.actor
    )
}

fn json_line(row: &EventRow) -> String {
    let data = match &row.recorded {
        Ok(recorded) => json!(messages::data(recorded)),
        Err(stored) => stored.clone(),
    };
    json!({
        "position": row.position.to_string(),
        "event_id": row.event_id,
        "event_type": row.event_type,
        "aggregate_type": row.aggregate_type,
        "aggregate_id": row.aggregate_id,
        "aggregate_version": row.version,
        "recorded_at": row.recorded_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "metadata": row.metadata,
        "summary": row.summary,
        "data": data,
    })
    .to_string()
}
