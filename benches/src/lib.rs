//! How fast Milepost is, each figure measured beside a peer in the same run: `scripts/bench`.
//!
//! Both sides of a row run on one PostgreSQL that keeps what it says, in turn, several times; the table holds medians of
//! the pairs. The rows are in [`rows`], one kind in each file; everything else is what they share.

pub mod arguments;
pub mod rows;

mod cpu;
mod dice;
mod document;
mod filling;
mod http;
mod load;
mod machine;
mod numbers;
mod people;
mod process;
mod report;
mod sizes;
mod stand;

use anyhow::Result;
use arguments::Arguments;
use report::Row;
use stand::Stand;
use std::time::Instant;

/// Measures what was asked for, and prints the table.
pub async fn run(arguments: Arguments) -> Result<()> {
    let stand = Stand::new(arguments.sizes).await?;
    let mut rows: Vec<Row> = vec![];
    for name in &arguments.rows {
        eprintln!("== {name}");
        let started = Instant::now();
        let measured = rows::measure(name, &stand).await?;
        eprintln!("  {:.0} s", started.elapsed().as_secs_f64());
        if !arguments.small {
            document::keep(&stand, name, &measured).await?;
        }
        rows.extend(measured);
    }
    if !rows.is_empty() {
        output(&report::aligned(&rows));
    }
    if arguments.write {
        document::write(&stand)?;
    }
    Ok(())
}

#[allow(clippy::print_stdout)]
fn output(table: &str) {
    println!("{table}");
}
