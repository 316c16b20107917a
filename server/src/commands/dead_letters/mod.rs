//! `milepost dead-letters`: events that were parked because a consumer could not apply them.
//!
//! Another source is a variant of [`Source`], a [`Parking`] in a file of its own, and a line in [`parking_of`].

mod parking;
mod projections;
mod reactions;
mod relay;

use self::parking::{Letter, Parking};
use super::table;
use crate::cli::{DeadLetters, DeadLettersCommand, OfReadModelsCommand, Source, WhichLetter, Why};
use crate::exit::Failure;
use crate::wire::Core;
use clap::ValueEnum;
use infrastructure::config::Configuration;
use serde_json::{Value, json};

/// What parks the events of a source.
fn parking_of(source: Source) -> &'static dyn Parking {
    match source {
        Source::Projections => &projections::ReadModels,
        Source::Reactions => &reactions::Reactions,
        Source::Relay => &relay::Relay,
    }
}

impl Source {
    fn word(self) -> &'static str {
        match self {
            Self::Projections => "projections",
            Self::Reactions => "reactions",
            Self::Relay => "relay",
        }
    }
}

/// Lists, shows, retries or skips.
pub async fn run(arguments: DeadLetters, configuration: &Configuration) -> Result<(), Failure> {
    let core = Core::open(&configuration.settings).await?;
    let result = match arguments.what {
        DeadLettersCommand::List { source, name, json } => list(&core, source, name.as_deref(), json).await,
        DeadLettersCommand::Show { which, json } => show(&core, &which, json).await,
        DeadLettersCommand::Retry { which } => retry(&core, &which).await,
        DeadLettersCommand::Skip { which, why } => skip(&core, &which, &why).await,
    };
    core.close().await;
    result
}

/// The same for read models, as `milepost projections dead-letters` has it: by name and aggregate.
pub(super) async fn of_read_models(core: &Core, what: OfReadModelsCommand) -> Result<(), Failure> {
    match what {
        OfReadModelsCommand::List { name, json } => list(core, Some(Source::Projections), name.as_deref(), json).await,
        OfReadModelsCommand::Retry { name, aggregate } => projections::retry(core, &name, aggregate, None).await,
        OfReadModelsCommand::Skip { name, aggregate, why } => projections::retry(core, &name, aggregate, Some(&why)).await,
    }
}

async fn list(core: &Core, source: Option<Source>, name: Option<&str>, json: bool) -> Result<(), Failure> {
    let sources: Vec<Source> = source.map_or_else(|| Source::value_variants().to_vec(), |source| vec![source]);
    if let Some(name) = name {
        known(&sources, name)?;
    }
    let mut letters = vec![];
    for source in sources {
        letters.extend(parking_of(source).letters(core).await?);
    }
    letters.retain(|letter| name.is_none_or(|name| letter.name == name));
    if json {
        let all: Vec<Value> = letters.iter().map(as_json).collect();
        crate::output::json(&all);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = letters
        .into_iter()
        .map(|letter| {
            let error = letter.error.unwrap_or_else(|| "(waits behind the one before)".to_owned());
            let number = |number: Option<i32>| number.map_or_else(String::new, |number| number.to_string());
            let (version, tries) = (number(letter.version), number(letter.tries));
            let (position, aggregate) = (letter.position.to_string(), letter.aggregate_id.to_string());
            vec![letter.source.word().to_owned(), letter.name, version, position, aggregate, letter.event_type, tries, error]
        })
        .collect();
    table::print(&["SOURCE", "NAME", "VERSION", "POSITION", "AGGREGATE", "TYPE", "TRIES", "ERROR"], &rows);
    Ok(())
}

fn known(sources: &[Source], name: &str) -> Result<(), Failure> {
    let names: Vec<_> = sources.iter().flat_map(|source| parking_of(*source).names()).collect();
    if names.contains(&name) {
        Ok(())
    } else {
        Err(Failure::wrong_use(format!("{name:?} is not the name of a source of dead letters; the names are {}", names.join(", "))))
    }
}

fn as_json(letter: &Letter) -> Value {
    json!({
        "source": letter.source.word(),
        "name": letter.name,
        "version": letter.version,
        "position": letter.position.to_string(),
        "aggregateId": letter.aggregate_id,
        "eventType": letter.event_type,
        "error": letter.error,
        "tries": letter.tries,
        "parkedAt": letter.parked_at,
        "nextTryAt": letter.next_try_at,
    })
}

/// A parked event with everything that is parked of its aggregate, itself among it, in order.
async fn find(core: &Core, which: &WhichLetter) -> Result<(Letter, Vec<Letter>), Failure> {
    let WhichLetter { source, name, position } = which;
    if let Some(name) = name {
        known(&[*source], name)?;
    }
    let mut letters = parking_of(*source).letters(core).await?;
    letters.retain(|letter| name.as_ref().is_none_or(|name| letter.name == *name));
    let found: Vec<_> = letters.iter().filter(|letter| letter.position == *position).cloned().collect();
    let Some(letter) = found.first().cloned() else {
        return Err(Failure::no(format!("event {position} is not parked in {}", source.word())));
    };
    let mut names: Vec<_> = found.iter().map(|letter| letter.name.as_str()).collect();
    names.dedup();
    if names.len() > 1 {
        return Err(Failure::wrong_use(format!("event {position} is parked in {}; name one of them by --name", names.join(" and "))));
    }
    letters.retain(|other| (&other.name, other.version, other.aggregate_id) == (&letter.name, letter.version, letter.aggregate_id));
    Ok((letter, letters))
}

async fn show(core: &Core, which: &WhichLetter, json: bool) -> Result<(), Failure> {
    let (letter, of_aggregate) = find(core, which).await?;
    let before: Vec<_> = of_aggregate.iter().map(|other| other.position).filter(|position| *position < letter.position).collect();
    let behind: Vec<_> = of_aggregate.iter().map(|other| other.position).filter(|position| *position > letter.position).collect();
    let texts = |positions: &[i64]| positions.iter().map(i64::to_string).collect::<Vec<_>>();
    if json {
        let mut shown = as_json(&letter);
        shown["waitsBehind"] = json!(texts(&before));
        shown["waitBehindIt"] = json!(texts(&behind));
        crate::output::json(&shown);
        return Ok(());
    }
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let rows: Vec<Vec<String>> = [
        ("source", letter.source.word().to_owned()),
        ("name", letter.name),
        ("version", letter.version.map_or_else(String::new, |version| version.to_string())),
        ("position", letter.position.to_string()),
        ("aggregate", letter.aggregate_id.to_string()),
        ("type", letter.event_type),
        ("error", letter.error.unwrap_or_default()),
        ("tries", letter.tries.map_or_else(String::new, |tries| tries.to_string())),
        ("parked at", letter.parked_at.to_rfc3339()),
        ("next try at", letter.next_try_at.map_or_else(String::new, |at| at.to_rfc3339())),
        ("waits behind", texts(&before).join(", ")),
        ("wait behind it", texts(&behind).join(", ")),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), or_none(value)])
    .collect();
    table::print(&["FIELD", "VALUE"], &rows);
    Ok(())
}

async fn retry(core: &Core, which: &WhichLetter) -> Result<(), Failure> {
    let (letter, of_aggregate) = find(core, which).await?;
    parking_of(which.source).retry(core, of_aggregate.first().unwrap_or(&letter)).await
}

async fn skip(core: &Core, which: &WhichLetter, why: &Why) -> Result<(), Failure> {
    let (letter, of_aggregate) = find(core, which).await?;
    match of_aggregate.first().filter(|first| first.position < letter.position) {
        Some(first) => {
            let (position, first) = (letter.position, first.position);
            Err(Failure::no(format!("event {position} waits behind event {first} of its aggregate: retry or skip that one first")))
        }
        None => parking_of(which.source).skip(core, &letter, why).await,
    }
}
