//! The rows of the table, each in a file of its own.

mod batch;
mod executor;
mod expansion;
mod footprint;
mod growth;
mod http;
mod import;
mod kafka;
mod queries;
mod rebuild;
mod relay;
mod scheduler;

use crate::numbers::{median, short};
use crate::report::Row;
use crate::stand::Stand;
use anyhow::{Result, bail};

/// The rows by the names that the command line knows, in the order of the table.
pub const NAMES: [&str; 12] =
    ["executor", "batch", "http", "kafka", "relay", "rebuild", "queries", "expansion", "footprint", "import", "scheduler", "growth"];

/// Measures what belongs to a name.
pub async fn measure(name: &str, stand: &Stand) -> Result<Vec<Row>> {
    match name {
        "executor" => executor::measure(stand).await,
        "batch" => batch::measure(stand).await,
        "http" => http::measure(stand).await,
        "kafka" => kafka::measure(stand).await,
        "relay" => relay::measure(stand).await,
        "rebuild" => rebuild::measure(stand).await,
        "queries" => queries::measure(stand).await,
        "expansion" => expansion::measure(stand).await,
        "footprint" => footprint::measure(stand).await,
        "import" => import::measure(stand).await,
        "scheduler" => scheduler::measure(stand).await,
        "growth" => growth::measure(stand).await,
        _ => bail!("there is no row {name:?}"),
    }
}

/// Figures of both sides, taken in turn.
#[derive(Debug, Default)]
struct Pairs {
    ours: Vec<f64>,
    peer: Vec<f64>,
}

impl Pairs {
    fn add(&mut self, ours: f64, peer: f64) {
        eprintln!("  ours {}, peer {}", short(ours), short(peer));
        self.ours.push(ours);
        self.peer.push(peer);
    }

    /// The median of the ratios of the pairs, which what disturbs a whole pair does not change.
    fn ratio(&self) -> f64 {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.peer).map(|(ours, peer)| ours / peer).collect();
        median(&ratios)
    }

    /// A row of rates.
    fn row(&self, work: &str, unit: &str) -> Row {
        let figure = |values: &[f64]| format!("{} {unit}", short(median(values)));
        Row::of(work, figure(&self.ours)).against(figure(&self.peer), self.ratio())
    }
}
