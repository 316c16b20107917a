//! `milepost projections`: manages the read models.

use super::builds::{alone, bar, build_failed, named, refused, show};
use super::dead_letters;
use super::table::{self, thousands};
use crate::cli::{Projections, ProjectionsCommand};
use crate::exit::Failure;
use crate::wire::Core;
use application::ports::EventLog;
use infrastructure::config::Configuration;
use projections::registry::{Version, VersionState, versions};
use projections::runner::{Projection, all};
use projections::running::run_context::RunContext;
use projections::versions::builder::Compared;
use serde_json::{Value, json};

/// Lists, rebuilds, verifies, or deals with parked events.
pub async fn run(arguments: Projections, configuration: &Configuration) -> Result<(), Failure> {
    let core = Core::open(&configuration.settings).await?;
    let result = match arguments.what {
        ProjectionsCommand::List { json } => list(&core, json).await,
        ProjectionsCommand::Rebuild { names, all } => rebuild_each(&core, &names, all).await,
        ProjectionsCommand::Rollback { name } => rollback(&core, &name).await,
        ProjectionsCommand::Cancel { name } => cancel(&core, &name).await,
        ProjectionsCommand::DropOld { name } => drop_old(&core, &name).await,
        ProjectionsCommand::Verify { name, json } => verify(&core, name.as_deref(), json).await,
        ProjectionsCommand::DeadLetters { what } => dead_letters::of_read_models(&core, what).await,
    };
    core.close().await;
    result
}

async fn list(core: &Core, json: bool) -> Result<(), Failure> {
    let head = *core.log.head().borrow();
    let found = versions(&core.database.worker).await.map_err(|error| refused(&error))?;
    if json {
        let all: Vec<Value> = found.iter().map(|version| as_json(version, head)).collect();
        crate::output::json(&all);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|version| {
            vec![
                version.name.clone(),
                version.version.to_string(),
                state(version),
                thousands(version.position),
                lag(version, head).map_or_else(|| "unknown".to_owned(), thousands),
                format!("{}/s", thousands(version.rate.round() as i64)),
                version.dead_letters.to_string(),
                version.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    table::print(&["NAME", "VERSION", "STATE", "POSITION", "LAG", "RATE", "PARKED", "LAST ERROR"], &rows);
    Ok(())
}

/// The state of a version, and the progress of a build.
fn state(version: &Version) -> String {
    match (version.state, version.target) {
        (state, _) if !version.of_this_log => format!("{}, of another log", state.word()),
        (VersionState::Building, Some(target)) if target > 0 => format!("building {}%", (version.position * 100 / target).min(100)),
        (state, _) => state.word().to_owned(),
    }
}

/// How many events a version is behind the log; `None` if its rows are of another log, so that its position is
/// meaningless.
fn lag(version: &Version, head: i64) -> Option<i64> {
    // The log may have grown since its head was read.
    version.of_this_log.then_some((head - version.position).max(0))
}

fn as_json(version: &Version, head: i64) -> Value {
    json!({
        "name": version.name,
        "version": version.version,
        "state": version.state.word(),
        "position": version.position.to_string(),
        "lagEvents": lag(version, head),
        "rules": version.rules,
        "target": version.target.map(|target| target.to_string()),
        "eventsDone": version.events_done,
        "eventsPerSecond": (version.rate * 10.0).round() / 10.0,
        "parked": version.dead_letters,
        "lastError": version.last_error,
        "startedAt": version.started_at,
        "liveSince": version.live_since,
        "ofThisLog": version.of_this_log,
    })
}

async fn rebuild_each(core: &Core, names: &[String], every: bool) -> Result<(), Failure> {
    // All names are checked first: nothing is built if one of them is wrong.
    let projections = if every { all() } else { names.iter().map(|name| named(name)).collect::<Result<_, _>>()? };
    for projection in projections {
        rebuild(core, &*projection).await?;
    }
    Ok(())
}

async fn rebuild(core: &Core, projection: &dyn Projection) -> Result<(), Failure> {
    let name = projection.name();
    let bar = bar(name, *core.log.head().borrow());
    let rebuilt =
        alone(core, name, async |run_context: RunContext| projection.rebuild(&run_context, &show(&bar)).await.map_err(build_failed))
            .await?;
    bar.finish_and_clear();
    let compared = match &rebuilt.compared {
        Compared::With(same) if same.equal => {
            format!("equal to the previous version in all {} rows; that one is retained", thousands(same.live_rows))
        }
        Compared::With(other) => format!(
            "DIFFERENT from the previous version: {} rows here, {} there, at position {}; that one is retained",
            thousands(other.built_rows),
            thousands(other.live_rows),
            thousands(other.position)
        ),
        Compared::OtherRules => "the previous version was built by other rules and is retained".to_owned(),
        Compared::Ahead => {
            "not compared, because it was started earlier and was ahead of the previous version, which is retained".to_owned()
        }
        Compared::NothingLive => "there was no previous version".to_owned(),
    };
    say!(
        "{name}: version {} is live, at position {}, from {} events; {compared}",
        rebuilt.version,
        thousands(rebuilt.position),
        thousands(rebuilt.events)
    );
    Ok(())
}

async fn rollback(core: &Core, name: &str) -> Result<(), Failure> {
    let projection = named(name)?;
    let bar = bar(name, *core.log.head().borrow());
    let back =
        alone(core, name, async |run_context: RunContext| projection.roll_back(&run_context, &show(&bar)).await.map_err(build_failed))
            .await?;
    bar.finish_and_clear();
    say!("{name}: version {} is live again, at position {}; the other one is retained", back.version, thousands(back.position));
    Ok(())
}

async fn cancel(core: &Core, name: &str) -> Result<(), Failure> {
    match named(name)?.cancel(&core.run_context.pool).await.map_err(|error| refused(&error))? {
        0 => Err(Failure::no(format!("{name}: no version is being built"))),
        _ => {
            say!("{name}: the version that was being built is dropped; a version that was being restored is retained");
            Ok(())
        }
    }
}

async fn drop_old(core: &Core, name: &str) -> Result<(), Failure> {
    match named(name)?.drop_old(&core.run_context.pool).await.map_err(|error| refused(&error))? {
        0 => Err(Failure::no(format!("{name}: no version is retained"))),
        _ => {
            say!("{name}: the retained version is dropped");
            Ok(())
        }
    }
}

async fn verify(core: &Core, name: Option<&str>, json: bool) -> Result<(), Failure> {
    let projections = match name {
        Some(name) => vec![named(name)?],
        None => all(),
    };
    let (mut rows, mut answers, mut different) = (vec![], vec![], 0);
    for projection in projections {
        let name = projection.name();
        let bar = bar(name, *core.log.head().borrow());
        let compared =
            alone(core, name, async |run_context: RunContext| projection.verify(&run_context, &show(&bar)).await.map_err(build_failed))
                .await?;
        bar.finish_and_clear();
        different += usize::from(!compared.equal);
        answers.push(json!({
            "name": name,
            "position": compared.position.to_string(),
            "liveRows": compared.live_rows,
            "builtRows": compared.built_rows,
            "equal": compared.equal,
        }));
        rows.push(vec![
            name.to_owned(),
            thousands(compared.position),
            thousands(compared.live_rows),
            thousands(compared.built_rows),
            if compared.equal { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    if json {
        crate::output::json(&answers)
    } else {
        table::print(&["NAME", "POSITION", "LIVE ROWS", "BUILT ROWS", "EQUAL"], &rows)
    }
    match different {
        0 => Ok(()),
        different => Err(Failure::no(format!("{different} read models differ from the log; rebuild them"))),
    }
}
