//! What a fuzzer drives: filters and whole requests. `fuzz/` holds the fuzzers, and says how they are run.

use super::execute::{GraphQLRequest, Parsed, prepare};
use super::limits::Limits;
use super::task::TaskFilter;
use async_graphql::{InputType, Value};
use projections::fuzzing::{assert_plain, tasks_statement};
use projections::page::Window;
use std::sync::LazyLock;
use std::time::Duration;

const LIMITS: Limits = Limits {
    body_bytes: 512 * 1024,
    tokens: 5_000,
    depth: 12,
    introspection_depth: 20,
    selections: 2_000,
    root_fields: 15,
    directives: 16,
    cost: 5_000,
    page_rows: 200,
    timeout: Duration::from_secs(10),
    headers_timeout: Duration::from_secs(10),
    position_wait: Duration::from_secs(5),
};

static PARSED: LazyLock<Parsed> = LazyLock::new(Parsed::default);

/// A filter in JSON becomes a statement that holds nothing of it other than as a value, or is refused in words.
pub fn filter(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(json) else { return };
    let Ok(filter) = TaskFilter::parse(Some(value)) else { return };
    match filter.checked() {
        Ok(filter) => {
            let window = Window { limit: 50, total: true, ..Window::default() };
            let statement = tasks_statement(&filter, &[], &window).expect("there is no cursor to refuse");
            assert_plain(&statement);
        }
        Err(error) => assert!(!error.message.is_empty() && error.extensions.is_some(), "{error:?}"),
    }
}

/// A request in JSON is small enough and can be executed, or is refused in words.
pub fn request(json: &[u8]) {
    let Ok(sent) = serde_json::from_slice::<GraphQLRequest>(json) else { return };
    if let Err(refused) = prepare(sent, false, &LIMITS, &PARSED) {
        assert!(!refused.message.is_empty() && refused.extensions.as_ref().is_some_and(|more| more.get("code").is_some()), "{refused:?}");
    }
}
