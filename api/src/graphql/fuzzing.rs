//! Entry points for fuzzers: filters and whole requests. The fuzzers, and how to run them, are in `fuzz/`.

use super::event::EventFilter;
use super::execute::{GraphQLRequest, Parsed, prepare};
use super::project::ProjectFilter;
use super::schedule::{DeadlineFilter, ScheduleFilter};
use super::sizes::Sizes;
use super::task::TaskFilter;
use super::testing::LIMITS;
use async_graphql::{InputType, Result, Value};
use projections::fuzzing::Filter;
use std::sync::LazyLock;

static PARSED: LazyLock<Parsed> = LazyLock::new(|| Parsed::of(Sizes::of(&super::sdl())));

/// A filter in JSON enters a statement only as bound values, or is refused with an error. It is tried as the filter of
/// every list. Returns how many accepted it.
pub fn filter(json: &[u8]) -> usize {
    let Ok(value) = serde_json::from_slice::<Value>(json) else { return 0 };
    let taken = [
        takes(&value, TaskFilter::checked, |filter| Filter::Tasks(Box::new(filter))),
        takes(&value, ProjectFilter::checked, Filter::Projects),
        takes(&value, ScheduleFilter::checked, Filter::Schedules),
        takes(&value, DeadlineFilter::checked, Filter::Firings),
        takes(&value, EventFilter::checked, Filter::Events),
    ];
    taken.into_iter().filter(|taken| *taken).count()
}

fn takes<I: InputType, F>(value: &Value, check: fn(I) -> Result<F>, of: fn(F) -> Filter) -> bool {
    let checked = I::parse(Some(value.clone())).ok().map(check);
    if let Some(Err(error)) = &checked {
        assert!(!error.message.is_empty() && error.extensions.is_some(), "{error:?}");
    }
    let filter = checked.and_then(Result::ok).map(of);
    filter.iter().for_each(projections::fuzzing::filter);
    filter.is_some()
}

/// A request in JSON is within the limits and can be executed, or is refused with an error.
pub fn request(json: &[u8]) {
    let Ok(sent) = serde_json::from_slice::<GraphQLRequest>(json) else { return };
    if let Err(refused) = prepare(sent, false, &LIMITS, &PARSED) {
        assert!(!refused.message.is_empty() && refused.extensions.as_ref().is_some_and(|more| more.get("code").is_some()), "{refused:?}");
    }
}
