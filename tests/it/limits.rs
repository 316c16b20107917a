//! `docs/LIMITS.md` has the numbers that the program keeps to: neither changes alone.

use api::graphql::{
    ERRORS_MAX, FILTER_ITEMS_MAX, FILTER_PARTS_MAX, FRAGMENTS_INSIDE_MAX, INTROSPECTION_LISTS_MAX, NAME_BYTES_MAX, OPERATIONS_MAX,
    OUTCOME_BYTES_MAX, PAGE_ROWS_DEFAULT, PARSED_BYTES_MAX, PARSED_QUERY_BYTES_MAX, SMALL_ANSWER_BYTES, SMALL_ANSWER_VALUES,
    SORT_LEVELS_MAX, TOKEN_BYTES_MAX, TYPE_NAMES_MAX, WRITTEN_BYTES_MIN,
};
use api::http::{HEAD_BYTES_MAX, SPARE_CONNECTIONS, SPARE_HEADERS_TIMEOUT};
use application::STATES_BYTES_MAX;
use application::deadline_scheduler::{ASIDE_SCHEDULES_MAX, BATCH_SCHEDULES_MAX, TICK_WITHIN, TICKS_AT_ONCE};
use application::executor::WAITED_FOR_MAX;
use application::import::{self, COMMANDS_AT_ONCE, LINE_BYTES_MAX};
use application::reactions::{self, AGGREGATES_AT_ONCE, ATTEMPT_WITHIN, BATCH_FACTS_MAX, PARKED_AT_ONCE, TRY_FOR_MAX};
use infrastructure::event_store::{
    BATCH_BYTES_MAX, BATCH_UNITS_MAX, QUEUE_BYTES_MAX, QUEUE_UNITS_MAX, READ_BYTES_MAX, STEP_EVENTS_MAX, TAIL_BYTES_MAX, TAIL_FACTS_MAX,
};
use infrastructure::kafka::relay;
use projections::runner::{self, GROUP_ROWS_MAX};
use projections::versions::builder::BUILD_BATCH_EVENTS_MAX;

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
fn limits_of_requests_are_those_that_are_documented() {
    let named = [
        ("nameBytes", NAME_BYTES_MAX),
        ("introspectionLists", INTROSPECTION_LISTS_MAX),
        ("typeNames", TYPE_NAMES_MAX),
        ("operations", OPERATIONS_MAX),
        ("fragmentDepth", FRAGMENTS_INSIDE_MAX),
        ("sortLevels", SORT_LEVELS_MAX),
        ("filterParts", FILTER_PARTS_MAX),
        ("filterItems", FILTER_ITEMS_MAX),
        ("errors", ERRORS_MAX),
    ];
    for (name, limit) in named {
        assert_documented(&format!("`{name}` ({})", grouped(limit)));
    }
    assert_documented(&format!("| {} KiB, 100 headers | the head of a request |", HEAD_BYTES_MAX / 1024));
    assert_documented(&format!("| {} KiB | an access token |", TOKEN_BYTES_MAX / 1024));
    assert_documented(&format!("`first` or `last` ({PAGE_ROWS_DEFAULT} if neither is given)"));
    assert_documented(&format!("more than {} values or {} MiB is counted", grouped(SMALL_ANSWER_VALUES), SMALL_ANSWER_BYTES / MIB));
    assert_documented(&format!("are answered, up to {} MiB beyond the limit", OUTCOME_BYTES_MAX / MIB));
    assert_documented(&format!("the rest of its response, or {} MiB of it", WRITTEN_BYTES_MIN / 1024 / 1024));
    let (query, all) = (PARSED_QUERY_BYTES_MAX / 1024, PARSED_BYTES_MAX / 1024 / 1024);
    assert_documented(&format!("Queries of up to {query} KiB are cached after parsing, in {all} MiB"));
    assert_documented(&format!("Beyond `connections`, {SPARE_CONNECTIONS} more are accepted for health checks"));
    assert_documented(&format!("They have {} seconds for a head", SPARE_HEADERS_TIMEOUT.as_secs()));
}

#[test]
fn limits_of_commands_reactions_and_the_scheduler_are_those_that_are_documented() {
    assert_documented(&format!("{} MiB of states in the cache", STATES_BYTES_MAX / 1024 / 1024));
    assert_documented(&format!("{} MiB for a line of an import", LINE_BYTES_MAX / 1024 / 1024));
    assert_documented(&format!("for an `expectedVersion` of one principal, where more than {WAITED_FOR_MAX} versions are unread"));
    assert_documented(&format!(
        "where more than {WAITED_FOR_MAX} versions are unread, other commands on the aggregate do not wait in the meantime"
    ));
    let (tries, for_seconds, each) = (reactions::TRIES_MAX, TRY_FOR_MAX.as_secs(), ATTEMPT_WITHIN.as_secs());
    assert_documented(&format!(
        "A reaction reads {BATCH_FACTS_MAX} events at once and processes those of {AGGREGATES_AT_ONCE} aggregates at the same time. \
         It tries an event {tries} times or for {for_seconds} s, and for {each} s at a time"
    ));
    assert_documented(&format!("those of {PARKED_AT_ONCE} aggregates are retried at the same time"));
    let (seconds, aside) = (TICK_WITHIN.as_secs(), grouped(ASIDE_SCHEDULES_MAX));
    assert_documented(&format!(
        "The scheduler reads {BATCH_SCHEDULES_MAX} schedules at once and sends {TICKS_AT_ONCE} ticks at the same time, each for up to \
         {seconds} s. It remembers {aside} schedules whose tick had no effect"
    ));
    let tries = import::TRIES_MAX + 1;
    assert_documented(&format!("An import executes {COMMANDS_AT_ONCE} lines at the same time and tries each up to {tries} times"));
}

#[test]
fn limits_of_the_log_and_the_relay_are_those_that_are_documented() {
    assert_documented(&format!("{BATCH_UNITS_MAX} commands or {} MiB in one append", BATCH_BYTES_MAX / MIB));
    let (units, bytes) = (grouped(QUEUE_UNITS_MAX), QUEUE_BYTES_MAX / MIB);
    assert_documented(&format!("| {units}, or {bytes} MiB | commands of a node that wait for the result of an append | `OVERLOADED` |"));
    assert_documented(&format!("{} events in one transaction of the relay", grouped(relay::BATCH_EVENTS_MAX)));
    assert_documented(&format!("{} events or {} MiB of them in memory for readers", grouped(TAIL_FACTS_MAX), TAIL_BYTES_MAX / MIB));
    assert_documented(&format!("{} MiB in one read of the log", READ_BYTES_MAX / MIB));
    let step = format!("{} events or {} MiB", grouped(STEP_EVENTS_MAX), READ_BYTES_MAX / MIB);
    assert_documented(&format!("It is replayed in steps of {step}"));
    assert_documented(&format!("they take turns, after each step of {step}"));
}

#[test]
fn limits_of_projections_are_those_that_are_documented() {
    let (batch, built) = (grouped(runner::BATCH_EVENTS_MAX), grouped(BUILD_BATCH_EVENTS_MAX));
    assert_documented(&format!("{batch} events in one batch of a projection and {built} in one of a version that is built"));
    assert_documented(&format!("{GROUP_ROWS_MAX} rows at a time of those that an event changes as a group"));
}
