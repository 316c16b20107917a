//! Values in words.

use domain::values::Due;

pub(super) fn due(due: &Due) -> String {
    match due.date {
        Some(date) => format!("{date} ({})", due.time_zone),
        None => due.at.utc().format("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

pub(super) fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

pub(super) fn listed(parts: &[String]) -> String {
    match parts {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
