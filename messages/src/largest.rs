//! How large a record can become.

use domain::values::limits::{CATEGORY_CHARS_MAX, LONG_TEXT_BYTES_MAX, TAG_CHARS_MAX, TAGS_MAX, TITLE_CHARS_MAX};

/// JSON writes a control character of one byte as `\u0001`.
const ESCAPED_BYTES_MAX: usize = 6;
/// Bytes of a character of a one-line text, which has no control characters.
const CHAR_BYTES_MAX: usize = 4;
/// Everything around the texts: names of fields, ids, moments, key, headers, and what a batch of one record adds.
const FRAME_BYTES_MAX: usize = 4 * 1024;
/// The texts of a task that one event can change.
const TASK_TEXTS_BYTES_MAX: usize = ESCAPED_BYTES_MAX * LONG_TEXT_BYTES_MAX
    + CHAR_BYTES_MAX * (TITLE_CHARS_MAX + CATEGORY_CHARS_MAX)
    // Each tag is in quotation marks, with a comma behind it.
    + TAGS_MAX * (CHAR_BYTES_MAX * TAG_CHARS_MAX + 3);

/// The largest record of an event, in bytes, with its key, headers and batch: `task_updated`, which has each text of a
/// task twice, as it was and as it is.
pub const RECORD_BYTES_MAX: usize = 2 * TASK_TEXTS_BYTES_MAX + FRAME_BYTES_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope;
    use crate::tests::recorded;
    use domain::event::Event;
    use domain::task::{TaskChanges, TaskEvent, TaskUpdated};
    use domain::values::{Category, Change, Description, Tag, Tags, Title};

    /// What a producer sends for it: value, key and headers.
    fn bytes(event: Event) -> usize {
        let recorded = recorded(event);
        let message = envelope(&recorded);
        let headers: usize = message.headers().iter().map(|(name, value)| name.len() + value.len()).sum();
        serde_json::to_vec(&message).expect("an envelope is JSON").len() + recorded.aggregate_id.to_string().len() + headers
    }

    /// The longest text in JSON that a value takes, of those made of one character.
    fn longest<T: ToString>(bytes_max: usize, value: impl Fn(String) -> Option<T>) -> T {
        let texts = ['\u{1}', '\u{1f}', '"', '\\', 'a', '\u{1d11e}'].map(|c| String::from(c).repeat(bytes_max / c.len_utf8()));
        let in_json = |value: &T| serde_json::to_string(&value.to_string()).expect("text is JSON").len();
        texts.into_iter().filter_map(value).max_by_key(in_json).expect("one of them is taken")
    }

    fn both<T: Clone>(value: T) -> Option<Change<T>> {
        Some(Change { from: value.clone(), to: value })
    }

    #[test]
    fn the_largest_event_that_can_be_written_fits() {
        let title = longest(4 * TITLE_CHARS_MAX, |text| Title::new(text.chars().take(TITLE_CHARS_MAX).collect::<String>()).ok());
        let category =
            longest(4 * CATEGORY_CHARS_MAX, |text| Category::new(text.chars().take(CATEGORY_CHARS_MAX).collect::<String>()).ok());
        let tag = |number: u32| {
            let first = char::from_u32(0x1d100 + number).expect("a character");
            Tag::new(std::iter::once(first).chain(std::iter::repeat('\u{1d11e}')).take(TAG_CHARS_MAX).collect::<String>()).expect("a tag")
        };
        let changes = TaskChanges {
            title: both(title),
            description: both(longest(LONG_TEXT_BYTES_MAX, |text| Description::new(text).ok())),
            category: both(Some(category)),
            tags: both(Tags::new((0..TAGS_MAX as u32).map(tag)).expect("so many tags are taken")),
            estimate_minutes: both(Some(u32::MAX)),
        };
        let bytes = bytes(Event::Task(TaskEvent::TaskUpdated(Box::new(TaskUpdated { changes }))));
        assert!((2 * LONG_TEXT_BYTES_MAX..=RECORD_BYTES_MAX).contains(&bytes), "{bytes} of {RECORD_BYTES_MAX}");
    }

    #[test]
    fn the_defaults_of_brokers_and_of_the_client_take_the_largest_event() {
        const MAX_MESSAGE_BYTES: usize = 1_048_588;
        const CLIENTS_MESSAGE_MAX_BYTES: usize = 1_000_000;
        assert!(RECORD_BYTES_MAX < CLIENTS_MESSAGE_MAX_BYTES.min(MAX_MESSAGE_BYTES), "{RECORD_BYTES_MAX}");
    }
}
