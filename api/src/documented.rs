//! `docs/LIMITS.md` has the numbers that this crate keeps to: neither changes alone.

use crate::graphql::limits::{
    ERRORS_MAX, FILTER_ITEMS_MAX, FILTER_PARTS_MAX, FRAGMENTS_INSIDE_MAX, INTROSPECTION_LISTS_MAX, NAME_BYTES_MAX, OPERATIONS_MAX,
    OUTCOME_BYTES_MAX, PAGE_ROWS_DEFAULT, PARSED_BYTES_MAX, PARSED_QUERY_BYTES_MAX, SMALL_ANSWER_BYTES, SMALL_ANSWER_VALUES,
    SORT_LEVELS_MAX, TOKEN_BYTES_MAX, TYPE_NAMES_MAX, WRITTEN_BYTES_MIN,
};
use crate::http::connections::{HEAD_BYTES_MAX, SPARE_CONNECTIONS, SPARE_HEADERS_TIMEOUT};

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
    assert_documented(&format!("the rest of its answer, or {} MiB of it", WRITTEN_BYTES_MIN / 1024 / 1024));
    let (query, all) = (PARSED_QUERY_BYTES_MAX / 1024, PARSED_BYTES_MAX / 1024 / 1024);
    assert_documented(&format!("Queries of up to {query} KiB are kept parsed, in {all} MiB"));
    assert_documented(&format!("Beyond `connections`, {SPARE_CONNECTIONS} more are taken for those who look whether the node lives"));
    assert_documented(&format!("They have {} seconds for a head", SPARE_HEADERS_TIMEOUT.as_secs()));
}
