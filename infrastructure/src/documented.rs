//! `docs/LIMITS.md` has the numbers that this crate keeps to: neither changes alone.

use crate::event_store::{
    BATCH_BYTES_MAX, BATCH_UNITS_MAX, QUEUE_BYTES_MAX, QUEUE_UNITS_MAX, READ_BYTES_MAX, STEP_EVENTS_MAX, TAIL_BYTES_MAX, TAIL_FACTS_MAX,
};
use crate::kafka::relay::BATCH_EVENTS_MAX;

const MIB: usize = 1024 * 1024;

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
    assert_documented(&format!("{BATCH_UNITS_MAX} commands or {} MiB in one append", BATCH_BYTES_MAX / MIB));
    let (units, bytes) = (grouped(QUEUE_UNITS_MAX), QUEUE_BYTES_MAX / MIB);
    assert_documented(&format!("| {units}, or {bytes} MiB | commands of a node that wait for the answer of an append | `OVERLOADED` |"));
    assert_documented(&format!("{} in one transaction of the relay", grouped(BATCH_EVENTS_MAX)));
    assert_documented(&format!("{} events or {} MiB of them in memory for readers", grouped(TAIL_FACTS_MAX), TAIL_BYTES_MAX / MIB));
    assert_documented(&format!("{} MiB in one read of the log", READ_BYTES_MAX / MIB));
    let step = format!("{} events or {} MiB", grouped(STEP_EVENTS_MAX), READ_BYTES_MAX / MIB);
    assert_documented(&format!("It is folded in steps of {step}"));
    assert_documented(&format!("they take turns, after each step of {step}"));
}
