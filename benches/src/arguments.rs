//! The command line.

use crate::rows::NAMES;
use crate::sizes::Sizes;
use anyhow::{Result, bail};

/// What is to be done.
#[derive(Debug)]
pub struct Arguments {
    pub sizes: Sizes,
    pub small: bool,
    /// Write `docs/BENCHMARKS.md` from the latest figures of every row.
    pub write: bool,
    /// Which rows; all if none was named.
    pub rows: Vec<&'static str>,
}

impl Arguments {
    /// Reads them, or says what is wrong.
    pub fn read(words: impl Iterator<Item = String>) -> Result<Self> {
        let (mut small, mut write, mut nothing, mut rows) = (false, false, false, vec![]);
        for word in words {
            match (word.as_str(), NAMES.iter().find(|name| **name == word)) {
                ("--small", _) => small = true,
                ("--write", _) => write = true,
                ("--no-run", _) => nothing = true,
                (_, Some(name)) => rows.push(*name),
                _ => bail!("there is no row {word:?}; there are {}, and the flags --small, --write and --no-run", NAMES.join(", ")),
            }
        }
        if small && write {
            bail!("--write is for figures of full size");
        }
        if rows.is_empty() && !nothing {
            rows = NAMES.to_vec();
        }
        Ok(Self { sizes: if small { Sizes::SMALL } else { Sizes::FULL }, small, write, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Arguments> {
        Arguments::read(words.iter().map(|&word| word.to_owned()))
    }

    #[test]
    fn all_rows_are_measured_unless_some_are_named() {
        assert_eq!(read(&[]).expect("reads").rows, NAMES);
        assert_eq!(read(&["relay", "--small"]).expect("reads").rows, ["relay"]);
        assert!(read(&["--write", "--no-run"]).expect("reads").rows.is_empty());
    }

    #[test]
    fn small_figures_are_never_written_down() {
        assert!(read(&["--small", "--write"]).is_err());
        assert!(read(&["nothing"]).is_err());
    }
}
