//! Rows of the table: what was measured, against what, and whether the target is met.

use crate::numbers::short;
use serde::{Deserialize, Serialize};

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub work: String,
    pub ours: String,
    pub peer: String,
    pub ratio: Option<f64>,
    pub targets: Vec<Target>,
    /// What a reader should know of how it was measured.
    pub note: String,
}

/// What a figure should be, and whether it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub words: String,
    pub met: bool,
}

impl Row {
    /// A piece of work with our figure.
    pub fn of(work: impl Into<String>, ours: impl Into<String>) -> Self {
        Self { work: work.into(), ours: ours.into(), peer: "–".to_owned(), ratio: None, targets: vec![], note: String::new() }
    }

    /// Measured against something.
    #[must_use]
    pub fn against(mut self, peer: impl Into<String>, ratio: f64) -> Self {
        self.peer = peer.into();
        self.ratio = Some(ratio);
        self
    }

    /// A target in words, and whether it is met.
    #[must_use]
    pub fn target(mut self, words: impl Into<String>, met: bool) -> Self {
        self.targets.push(Target { words: words.into(), met });
        self
    }

    /// A remark on how it was measured.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn cells(&self) -> [String; 6] {
        let words: Vec<&str> = self.targets.iter().map(|target| target.words.as_str()).collect();
        let met: Vec<&str> = self.targets.iter().map(|target| if target.met { "yes" } else { "**no**" }).collect();
        let ratio = self.ratio.map_or("–".to_owned(), |ratio| format!("{} x", short(ratio)));
        [self.work.clone(), self.ours.clone(), self.peer.clone(), ratio, words.join("; "), met.join("; ")]
    }
}

const HEADINGS: [&str; 6] = ["work", "ours", "peer", "ratio", "target", "met"];

/// The rows as a table of Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEADINGS.map(str::to_owned));
    text.push_str("|---|---|---|---|---|---|\n");
    rows.iter().for_each(|row| text.push_str(&line(&row.cells())));
    text
}

/// The rows with columns under one another, for a terminal.
pub(crate) fn aligned(rows: &[Row]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| row.cells().map(|cell| cell.replace("**", ""))));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let padded = |line: &[String; 6]| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(padded).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_which_of_its_targets_are_met() {
        let row = Row::of("work", "6 /s").against("2 /s", 3.0).target("≥ 4 x", false).target("p99 ≤ 15 ms", true);
        assert!(table(std::slice::from_ref(&row)).ends_with("| work | 6 /s | 2 /s | 3.00 x | ≥ 4 x; p99 ≤ 15 ms | **no**; yes |\n"));
        assert!(aligned(&[row]).ends_with("no; yes"));
    }
}
