//! Events that a read model could not apply.

use super::parking::{Letter, Parking};
use crate::cli::{Source, Why};
use crate::commands::builds::{alone, bar, build_failed, named, refused, show};
use crate::exit::Failure;
use crate::wire::Core;
use application::ports::EventLog;
use async_trait::async_trait;
use projections::runner::all;
use projections::running::run_context::RunContext;
use projections::versions::dead_letters::{DeadLetter, Retried, RetryError, Skip, list};
use uuid::Uuid;

pub(super) struct ReadModels;

#[async_trait]
impl Parking for ReadModels {
    fn names(&self) -> Vec<&'static str> {
        all().iter().map(|projection| projection.name()).collect()
    }

    async fn letters(&self, core: &Core) -> Result<Vec<Letter>, Failure> {
        let letters = list(&core.database.worker, None).await.map_err(|error| refused(&error))?;
        letters.into_iter().map(letter).collect()
    }

    async fn retry(&self, core: &Core, first: &Letter) -> Result<(), Failure> {
        retry(core, &first.name, first.aggregate_id, None).await
    }

    async fn skip(&self, core: &Core, first: &Letter, why: &Why) -> Result<(), Failure> {
        retry(core, &first.name, first.aggregate_id, Some(why)).await
    }
}

fn letter(letter: DeadLetter) -> Result<Letter, Failure> {
    let aggregate_id = letter.aggregate_id.parse().map_err(|_| {
        Failure::wrong_use(format!(
            "the parked event {} of {} is of {:?}, which is not a UUID",
            letter.position, letter.name, letter.aggregate_id
        ))
    })?;
    Ok(Letter {
        source: Source::Projections,
        name: letter.name,
        version: Some(letter.version),
        position: letter.position,
        aggregate_id,
        event_type: letter.event_type,
        error: letter.error,
        tries: None,
        parked_at: letter.parked_at,
        next_try_at: None,
    })
}

/// Applies the parked events of an aggregate by a rebuild; if a reason is given, without the first.
pub(super) async fn retry(core: &Core, name: &str, aggregate: Uuid, why: Option<&Why>) -> Result<(), Failure> {
    let projection = named(name)?;
    let bar = bar(name, *core.log.head().borrow());
    let by = why.map(Why::by).unwrap_or_default();
    let skip = why.map(|why| Skip { reason: &why.reason, by: &by });
    let retried =
        alone(core, name, async |run_context: RunContext| Ok(projection.retry(&run_context, aggregate, skip, &show(&bar)).await)).await?;
    bar.finish_and_clear();
    match retried {
        Ok(Retried { applied, parked }) => {
            say!("{name}: {applied} events of {aggregate} were applied");
            if parked > 0 {
                say!("{name}: {parked} are parked again; `milepost dead-letters list` says why");
            }
            Ok(())
        }
        Err(error @ (RetryError::NothingParked | RetryError::StillFails { .. })) => Err(Failure::no(error.to_string())),
        Err(RetryError::Build(error)) => Err(build_failed(error)),
        Err(RetryError::Database(error)) => Err(refused(&error)),
        Err(error @ RetryError::Log(_)) => Err(Failure::not_there(error.to_string())),
    }
}
