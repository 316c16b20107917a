//! What the fuzzers of `fuzz/` drive, with the seeds they begin from, changed by chance: a short look for what a long one would
//! find.

use std::fs;
use std::path::{Path, PathBuf};
use tests::dice::Dice;
use tests::servers::workspace;

/// How often each seed is changed.
const CHANGES: usize = 2_000;
/// Most places of a seed that are changed at once.
const PLACES_MAX: usize = 6;
/// What is often wrong.
const TRICKS: [&[u8]; 14] = [
    b"\0",
    b"\xff",
    b"\"",
    b"\\ud800",
    b"{",
    b"]",
    b",",
    b"null",
    b"-1",
    b"1e999",
    b"9223372036854775808",
    b"2026-02-30",
    b"\xe2\x80\xae",
    b"$a",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    found.sort();
    found.iter().flat_map(|path| if path.is_dir() { files(path) } else { vec![path.clone()] }).collect()
}

/// A seed with some places overwritten, taken out, doubled or filled with what is often wrong.
fn changed(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(PLACES_MAX) {
        let from = dice.below(bytes.len() + 1);
        let to = (from + dice.below(12)).min(bytes.len());
        let new = match dice.below(4) {
            0 => vec![],
            1 => bytes[from..to].repeat(2),
            2 => (from..to).map(|_| dice.below(256) as u8).collect(),
            _ => TRICKS[dice.below(TRICKS.len())].to_vec(),
        };
        bytes.splice(from..to, new);
    }
    bytes
}

fn look(fuzzer: &str, drives: &str, drive: fn(&[u8])) {
    let program = fs::read_to_string(workspace().join(format!("fuzz/fuzz_targets/{fuzzer}.rs"))).expect("there is such a fuzzer");
    assert!(program.contains(&format!("{drives}(bytes)")), "the fuzzer {fuzzer} drives something else:\n{program}");
    let mut dice = Dice::thrown();
    let own = format!("fuzz/seeds/{fuzzer}");
    // The golden files are all the seeds that records and stored events need.
    let folders = if fuzzer == "envelope" { vec!["schemas/events", "schemas/kafka/records"] } else { vec![own.as_str()] };
    for seed in folders.iter().flat_map(|folder| files(&workspace().join(folder))) {
        let bytes = fs::read(&seed).expect("a seed can be read");
        drive(&bytes);
        for _ in 0..CHANGES {
            let bytes = changed(&bytes, &mut dice);
            let driven = std::panic::catch_unwind(|| drive(&bytes));
            assert!(driven.is_ok(), "{} as {:?}", seed.display(), String::from_utf8_lossy(&bytes));
        }
    }
}

macro_rules! look {
    ($fuzzer:literal, $($drives:ident)::+) => {
        look($fuzzer, concat!($(stringify!($drives), "::"),+).trim_end_matches("::"), |bytes| {
            $($drives)::+(bytes);
        })
    };
}

#[test]
fn lines_of_an_import_are_understood_or_refused() {
    look!("import_line", application::fuzzing::import_line);
}

#[test]
fn cursors_are_of_their_list_or_refused() {
    look!("cursor", projections::fuzzing::cursor);
}

#[test]
fn filters_get_into_statements_as_values_only() {
    look!("filter", api::graphql::fuzzing::filter);
}

#[test]
fn every_seed_of_a_cursor_or_a_filter_is_one_of_a_list() {
    for fuzzer in ["cursor", "filter"] {
        for seed in files(&workspace().join("fuzz/seeds").join(fuzzer)) {
            let bytes = fs::read(&seed).expect("a seed can be read");
            let lists = if fuzzer == "cursor" { projections::fuzzing::cursor(&bytes) } else { api::graphql::fuzzing::filter(&bytes) };
            assert!(lists > 0, "{} is of no list", seed.display());
        }
    }
}

#[test]
fn requests_are_small_enough_or_refused() {
    look!("request", api::graphql::fuzzing::request);
}

#[test]
fn stored_events_become_records_without_fault_or_are_not_read() {
    look!("envelope", infrastructure::fuzzing::envelope);
}

#[test]
fn tokens_are_refused_unless_everything_about_them_is_right() {
    look!("token", api::http::fuzzing::token);
}
