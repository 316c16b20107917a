//! What the commands that build a read model share: which one is meant, the lease, the progress bar and the failures.

use crate::exit::Failure;
use crate::wire::Core;
use indicatif::{ProgressBar, ProgressStyle};
use infrastructure::leases::{Lease, LeaseKeeper, PROGRESS_WITHIN};
use projections::runner::{Projection, all};
use projections::running::heartbeat::Heartbeat;
use projections::running::run_context::{Fence, RunContext};
use projections::versions::builder::Built;
use projections::versions::error::BuildError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long another build of the same read model is waited for.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);

/// The read model of a name.
pub(super) fn named(name: &str) -> Result<Arc<dyn Projection>, Failure> {
    let projections = all();
    let names: Vec<_> = projections.iter().map(|projection| projection.name()).collect();
    let known = format!("{name:?} is not a read model; the read models are {}", names.join(", "));
    projections.into_iter().find(|projection| projection.name() == name).ok_or_else(|| Failure::wrong_use(known))
}

/// A failure of the database while read models are managed.
pub(super) fn refused(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of_database("failed to manage read models", error)
}

/// A progress bar that ends at the head of the log.
pub(super) fn bar(name: &str, head: i64) -> ProgressBar {
    let bar = ProgressBar::new(head.max(0) as u64).with_prefix(name.to_owned());
    let template = "{prefix:16} {bar:32} {percent:>3}%  {human_pos} of {human_len} events, {per_sec}, {eta} left{msg}";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Shows how far a build is.
pub(super) fn show(bar: &ProgressBar) -> impl Fn(Built) + Sync + '_ {
    |built| {
        bar.set_length(built.head.max(0) as u64);
        let begins = bar.position() == 0;
        bar.set_position(built.position.max(0) as u64);
        if begins {
            // What an interrupted one had done before says nothing about how fast this one is.
            bar.reset_eta();
        }
        bar.set_message(if built.gives_way { ", slowly: the live version is behind" } else { "" });
    }
}

/// The failure that a build ended with.
pub(super) fn build_failed(error: BuildError) -> Failure {
    match error {
        error @ (BuildError::Busy
        | BuildError::Dropped
        | BuildError::OtherRules { .. }
        | BuildError::OtherLog
        | BuildError::NothingRetained
        | BuildError::NothingLive) => Failure::no(error.to_string()),
        BuildError::Database(error) => Failure::of_database("the build stopped; run it again to resume", &error),
        error @ (BuildError::Log(_) | BuildError::Failed { .. }) => {
            Failure::not_there(format!("the build stopped: {error}; run it again to resume"))
        }
    }
}

/// Runs work under the lease for building a read model, with what it needs. Ctrl-C ends it in order,
/// and so does the loss of the lease.
pub(super) async fn alone<T>(core: &Core, name: &str, work: impl AsyncFnOnce(RunContext) -> Result<T, Failure>) -> Result<T, Failure> {
    let (mut keeper, lease) = (LeaseKeeper::new(&core.database), format!("projection/{name}/build"));
    let Lease { mut held, signs } = keeper.want_by_progress(&lease, PROGRESS_WITHIN);
    let (stop, stopping) = watch::channel(false);
    let keeping = tokio::spawn(keeper.run(stopping));
    let epoch = tokio::time::timeout(BUSY_PATIENCE, held.wait_for(Option::is_some)).await;
    let result = match epoch.ok().and_then(|epoch| *epoch.ok()?) {
        Some(epoch) => tokio::select! {
            biased;
            _ = held.wait_for(|now| *now != Some(epoch)) => Err(Failure::not_there(format!(
                "{name}: stopped, since its lease was lost: PostgreSQL did not answer, there was no progress for {} s, or another process \
                     took it; run the rebuild or rollback again to resume",
                PROGRESS_WITHIN.as_secs()
            ))),
            done = work(RunContext { heartbeat: Heartbeat::of(signs), fence: Some(Fence { lease, epoch }), ..core.run_context.clone() }) => done,
            _ = tokio::signal::ctrl_c() => Err(Failure::no(format!(
                "{name}: interrupted; run the rebuild or rollback again to resume, and `milepost projections cancel {name}` cancels it"
            ))),
        },
        None => Err(Failure::no(format!("another process is building {name}"))),
    };
    let _ = stop.send(true);
    let _ = keeping.await;
    result
}
