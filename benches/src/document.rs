//! `docs/BENCHMARKS.md`: the latest figures of every row, with what they were measured on.

use crate::machine;
use crate::report::{Row, table};
use crate::rows::NAMES;
use crate::stand::{Stand, workspace};
use anyhow::{Context, Result};
use chrono::{NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::PathBuf;

/// Written by people who looked.
const WHERE_TIME_GOES: &str = include_str!("where_time_goes.md");
const LINE_CHARS_MAX: usize = 120;

/// Figures of full size, kept until a later run replaces them.
#[derive(Serialize, Deserialize)]
struct Kept {
    on: NaiveDate,
    machine: String,
    rows: Vec<Row>,
}

fn file(stand: &Stand, name: &str) -> PathBuf {
    stand.folder.join(format!("{name}.json"))
}

/// Keeps what was measured.
pub(crate) async fn keep(stand: &Stand, name: &str, rows: &[Row]) -> Result<()> {
    let machine = machine::describe(&stand.admin).await?;
    let kept = Kept { on: Utc::now().date_naive(), machine, rows: rows.to_vec() };
    Ok(std::fs::write(file(stand, name), serde_json::to_string_pretty(&kept)?)?)
}

/// Writes the document from the latest figures of all rows.
pub(crate) fn write(stand: &Stand) -> Result<()> {
    let mut kept = vec![];
    for name in NAMES {
        let text = std::fs::read_to_string(file(stand, name)).with_context(|| format!("{name} was not measured yet"))?;
        kept.push(serde_json::from_str::<Kept>(&text)?);
    }
    std::fs::write(workspace().join("docs/BENCHMARKS.md"), document(&kept))?;
    Ok(())
}

fn document(kept: &[Kept]) -> String {
    let rows: Vec<Row> = kept.iter().flat_map(|kept| kept.rows.clone()).collect();
    let mut text = String::from("# Benchmarks\n\n");
    text.push_str(&wrapped(
        "Made by `scripts/bench --write`; do not edit. Both sides of a row ran on the same server in the same run, in turn; the values are \
         medians of the pairs. Compare ratios: absolute values depend on the machine.",
    ));
    text.push('\n');
    let mut machines: Vec<(&str, NaiveDate)> = kept.iter().map(|kept| (kept.machine.as_str(), kept.on)).collect();
    machines.sort_unstable();
    machines.dedup();
    for (machine, on) in machines {
        let _ = writeln!(text, "{}", wrapped(&format!("Measured on {on}: {machine}.")));
    }
    text.push_str(&table(&rows));
    text.push_str("\n## How it was measured\n\n");
    for row in rows.iter().filter(|row| !row.note.is_empty()) {
        text.push_str(&wrapped(&format!("- **{}**: {}.", row.work, row.note)));
    }
    let _ = write!(text, "\n{WHERE_TIME_GOES}");
    text
}

/// A paragraph or an item of a list in lines of at most `LINE_CHARS_MAX` characters, as `cargo xtask tidy` requires.
fn wrapped(text: &str) -> String {
    let indent = if text.starts_with("- ") { "  " } else { "" };
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > LINE_CHARS_MAX {
            let _ = writeln!(lines, "{line}");
            line = format!("{indent}{word}");
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let _ = writeln!(lines, "{line}");
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_documents_may_have() {
        assert_eq!(wrapped("- **row**: a note."), "- **row**: a note.\n");
        let long = wrapped(&format!("- {}", vec!["word"; 60].join(" ")));
        assert!(long.lines().all(|line| line.chars().count() <= LINE_CHARS_MAX), "{long}");
        assert!(long.lines().skip(1).all(|line| line.starts_with("  word")), "{long}");
        assert_eq!(long.split_whitespace().count(), 61);
    }
}
