//! `milepost projections dead-letters`: events that a read model could not take in.

use super::{alone, bar, build_failed, named, refused, show};
use crate::cli::DeadLettersCommand;
use crate::commands::table;
use crate::exit::Failure;
use crate::wire::Core;
use application::ports::EventLog;
use projections::dead_letters::{RetryError, list};
use serde_json::{Value, json};
use uuid::Uuid;

/// Lists parked events, tries again, or gives one up.
pub(super) async fn run(core: &Core, what: DeadLettersCommand) -> Result<(), Failure> {
    match what {
        DeadLettersCommand::List { name, json } => {
            name.as_deref().map(named).transpose()?;
            let letters = list(&core.database.worker, name.as_deref()).await.map_err(|error| refused(&error))?;
            if json {
                let all: Vec<Value> = letters
                    .iter()
                    .map(|letter| {
                        json!({
                            "name": letter.name, "version": letter.version, "position": letter.position.to_string(),
                            "aggregateId": letter.aggregate_id, "eventType": letter.event_type, "error": letter.error, "parkedAt": letter.parked_at,
                        })
                    })
                    .collect();
                say!("{}", serde_json::to_string_pretty(&all).unwrap_or_default());
                return Ok(());
            }
            let rows: Vec<Vec<String>> = letters
                .into_iter()
                .map(|letter| {
                    let error = letter.error.unwrap_or_else(|| "(waits behind the one before)".to_owned());
                    vec![
                        letter.name,
                        letter.version.to_string(),
                        letter.position.to_string(),
                        letter.aggregate_id,
                        letter.event_type,
                        error,
                    ]
                })
                .collect();
            table::print(&["NAME", "VERSION", "POSITION", "AGGREGATE", "TYPE", "ERROR"], &rows);
            Ok(())
        }
        DeadLettersCommand::Retry { name, aggregate } => retry(core, &name, aggregate, false).await,
        DeadLettersCommand::Skip { name, aggregate } => retry(core, &name, aggregate, true).await,
    }
}

async fn retry(core: &Core, name: &str, aggregate: Uuid, skip_first: bool) -> Result<(), Failure> {
    let projection = named(name)?;
    let bar = bar(name, *core.log.head().borrow());
    let retried = alone(core, name, async { Ok(projection.retry(&core.works, aggregate, skip_first, &show(&bar)).await) }).await?;
    bar.finish_and_clear();
    match retried {
        Ok(taken) => {
            say!("{name}: {taken} events of {aggregate} were taken in");
            Ok(())
        }
        Err(error @ (RetryError::NothingParked | RetryError::StillPoison { .. })) => Err(Failure::no(error.to_string())),
        Err(RetryError::Build(error)) => Err(build_failed(error)),
        Err(RetryError::Database(error)) => Err(refused(&error)),
        Err(error @ RetryError::Log(_)) => Err(Failure::not_there(error.to_string())),
    }
}
