//! `docs/LIMITS.md` has the numbers that this crate keeps to: neither changes alone.

use crate::builder::BUILD_BATCH_EVENTS_MAX;
use crate::runner::{BATCH_EVENTS_MAX, GROUP_ROWS_MAX};

/// Fails unless the page has these words, however its lines are broken.
fn assert_documented(words: &str) {
    let page = include_str!("../../docs/LIMITS.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(words), "docs/LIMITS.md does not say: {words}");
}

/// With a comma before each three digits.
fn grouped(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

#[test]
fn the_limits_are_those_that_are_documented() {
    let (batch, built) = (grouped(BATCH_EVENTS_MAX), grouped(BUILD_BATCH_EVENTS_MAX));
    assert_documented(&format!("{batch} events in one batch of a projection and {built} in one of a version that is built"));
    assert_documented(&format!("{GROUP_ROWS_MAX} rows at a time of those that an event changes as a group"));
}
