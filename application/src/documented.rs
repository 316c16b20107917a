//! `docs/LIMITS.md` has the numbers that this crate keeps to: neither changes alone.

use crate::executor::changes::WAITED_FOR_MAX;
use crate::import::{COMMANDS_AT_ONCE, LINE_BYTES_MAX, TRIES_MAX as IMPORT_TRIES_MAX};
use crate::reactions::{AGGREGATES_AT_ONCE, ATTEMPT_WITHIN, BATCH_FACTS_MAX, PARKED_AT_ONCE, TRIES_MAX, TRY_FOR_MAX};
use crate::scheduler::{ASIDE_SCHEDULES_MAX, BATCH_SCHEDULES_MAX, TICK_WITHIN, TICKS_AT_ONCE};
use crate::states::STATES_BYTES_MAX;

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
    assert_documented(&format!("{} MiB of states in the cache", STATES_BYTES_MAX / 1024 / 1024));
    assert_documented(&format!("{} MiB for a line of an import", LINE_BYTES_MAX / 1024 / 1024));
    assert_documented(&format!("for an `expectedVersion` of one principal, where more than {WAITED_FOR_MAX} versions are unread"));
    assert_documented(&format!(
        "where more than {WAITED_FOR_MAX} versions are unread, other commands on the aggregate do not wait meanwhile"
    ));
    let (tries, for_seconds, each) = (TRIES_MAX, TRY_FOR_MAX.as_secs(), ATTEMPT_WITHIN.as_secs());
    assert_documented(&format!(
        "A reaction reads {BATCH_FACTS_MAX} events at once and answers those of {AGGREGATES_AT_ONCE} aggregates at the same time. \
         It tries an event {tries} times or for {for_seconds} s, and for {each} s at a time"
    ));
    assert_documented(&format!("those of {PARKED_AT_ONCE} aggregates are tried again at the same time"));
    let (seconds, aside) = (TICK_WITHIN.as_secs(), grouped(ASIDE_SCHEDULES_MAX));
    assert_documented(&format!(
        "The scheduler reads {BATCH_SCHEDULES_MAX} schedules at once and sends {TICKS_AT_ONCE} ticks at the same time, each for up to \
         {seconds} s; it remembers {aside} that were ticked in vain"
    ));
    let tries = IMPORT_TRIES_MAX + 1;
    assert_documented(&format!("An import carries out {COMMANDS_AT_ONCE} lines at the same time and tries each up to {tries} times"));
}
