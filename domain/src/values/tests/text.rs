use super::refusal_of;
use crate::testing::{for_all, text};
use crate::values::{BlockedReason, Category, CommentBody, Description, InvalidValue, ProjectKey, ProjectName, Tag, Tags, Title};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

const SIXTY_FOUR_KIB: usize = 65_536;

/// A text of one line: what it is called, its limit, and its door.
type Line = (&'static str, usize, fn(&str) -> Result<String, InvalidValue>);

const LINES: [Line; 5] = [
    ("a title", 200, |text| Title::new(text).map(String::from)),
    ("a project name", 200, |text| ProjectName::new(text).map(String::from)),
    ("a category", 50, |text| Category::new(text).map(String::from)),
    ("a tag", 50, |text| Tag::new(text).map(String::from)),
    ("a reason for being blocked", 1_000, |text| BlockedReason::new(text).map(String::from)),
];

/// A text of many lines.
type LongText = (&'static str, fn(&str) -> Result<String, InvalidValue>);

const LONG_TEXTS: [LongText; 2] =
    [("a description", |text| Description::new(text).map(String::from)), ("a comment", |text| CommentBody::new(text).map(String::from))];

fn message(refused: Result<String, InvalidValue>) -> String {
    let refused = refused.expect_err("a bad text was accepted");
    assert_eq!(refused.code, "INVALID_VALUE");
    refused.message
}

#[test]
fn a_line_holds_its_limit_in_characters_and_not_one_more() {
    for (what, most, door) in LINES {
        // Two bytes each: the limit counts characters.
        let longest = "ß".repeat(most);
        assert_eq!(door(&longest), Ok(longest.clone()));
        assert_eq!(
            message(door(&"ß".repeat(most + 1))),
            format!("{what} must have 1 to {most} characters after trimming; this one has {}", most + 1)
        );
    }
}

#[test]
fn a_line_is_trimmed_before_it_is_counted() {
    for (_, most, door) in LINES {
        let longest = "x".repeat(most);
        assert_eq!(door(&format!(" \t{longest}\u{3000}\r\n")), Ok(longest));
        assert_eq!(door("  two  words "), Ok("two  words".to_owned()));
    }
}

/// Texts that show nothing: white space, default-ignorable characters, marks without a letter, empty symbols.
const BLANK: [&str; 22] = [
    "",
    " ",
    "\n",
    "\u{3000}\t",
    "\u{200b}",
    "\u{feff}",
    "\u{ad}",
    "\u{2060}",
    "\u{2800}",
    "\u{3164}",
    "\u{115f}\u{1160}",
    "\u{ffa0}",
    "\u{180e}",
    "\u{34f}",
    "\u{200d}",
    "\u{fe0f}",
    "\u{301}",
    "\u{20dd}",
    "\u{93e}",
    "\u{e0041}",
    "\u{1d159}",
    " \u{200b}\u{301} \u{2800}",
];

#[test]
fn a_line_is_never_blank() {
    for (what, most, door) in LINES {
        for blank in BLANK {
            let message = message(door(blank));
            assert!(message.starts_with(&format!("{what} must have 1 to {most} characters, at least one of them visible")), "{message}");
        }
        let unseen = message(door(" \u{200b}\u{301}"));
        assert!(unseen.ends_with("this one is blank: it contains only characters such as U+200B"), "{unseen}");
        assert!(message(door("  ")).ends_with("this one is blank"));
    }
}

/// Texts that show something although parts of them do not.
const SHOWING: [&str; 10] = [
    "a\u{301}\u{20dd}",
    "❤\u{fe0f}",
    "👩\u{200d}💻",
    "می\u{200c}خواهم",
    "\u{600}",
    "\u{200f}שלום",
    "🏴\u{e0067}\u{e0062}\u{e007f}",
    "x\u{ad}y",
    "⠁\u{2800}",
    "\u{e000}",
];

#[test]
fn what_can_be_seen_is_not_blank() {
    for (_, _, door) in LINES {
        for text in SHOWING {
            let stored = door(text).unwrap_or_else(|refused| panic!("{text:?}: {refused}"));
            assert_eq!(stored, crate::values::normalized(text.to_owned()));
        }
    }
    for text in SHOWING {
        CommentBody::new(text).unwrap_or_else(|refused| panic!("{text:?}: {refused}"));
    }
}

#[test]
fn a_line_has_nothing_that_leaves_it() {
    let breaks = ['\0', '\n', '\r', '\t', '\u{b}', '\u{1b}', '\u{1f}', '\u{7f}', '\u{80}', '\u{85}', '\u{9f}', '\u{2028}', '\u{2029}'];
    for (what, _, door) in LINES {
        for bad in breaks.into_iter().chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(
                message(door(&format!("a{bad}b"))),
                format!(
                    "{what} must be one line without control characters, line breaks and bidirectional overrides; remove U+{:04X} \
                         (character 2)",
                    u32::from(bad)
                )
            );
        }
        // Not space, so trimming does not hide it.
        assert!(message(door("\0a")).contains("U+0000 (character 1)"));
        // Marks that turn nothing are parts of words.
        for mark in ['\u{61c}', '\u{200e}', '\u{200f}'] {
            assert_eq!(door(&format!("a{mark}b")), Ok(format!("a{mark}b")));
        }
    }
}

#[test]
fn a_text_is_stored_in_normalization_form_c_and_counted_so() {
    for (_, most, door) in LINES {
        assert_eq!(door("Cafe\u{301}"), Ok("Caf\u{e9}".to_owned()), "as macOS writes it");
        assert_eq!(door("\u{1100}\u{1161}\u{11a8}"), Ok("\u{ac01}".to_owned()));
        // Each is two characters as sent and one as stored.
        assert_eq!(door(&"e\u{301}".repeat(most)), Ok("\u{e9}".repeat(most)));
        // And each of these is one as sent and two as stored.
        let longer = "\u{958}".repeat(most / 2 + 1);
        assert!(message(door(&longer)).contains(&format!("this one has {}", 2 * (most / 2 + 1))));
    }
    for (_, door) in LONG_TEXTS {
        assert_eq!(door("Cafe\u{301}\r\nCafe\u{301}"), Ok("Caf\u{e9}\nCaf\u{e9}".to_owned()));
        assert_eq!(door(&"e\u{301}".repeat(SIXTY_FOUR_KIB / 2)), Ok("\u{e9}".repeat(SIXTY_FOUR_KIB / 2)));
    }
    let tags = |tags: [&str; 2]| Tags::new(tags.map(text::<Tag>)).expect("two tags").iter().count();
    assert_eq!(tags(["Caf\u{e9}", "Cafe\u{301}"]), 1, "one word is one tag");
}

#[test]
fn a_long_text_holds_sixty_four_kib_and_not_one_byte_more() {
    for (what, door) in LONG_TEXTS {
        let longest = "ß".repeat(SIXTY_FOUR_KIB / 2);
        assert_eq!(door(&longest), Ok(longest.clone()));
        assert_eq!(message(door(&format!("{longest}x"))), format!("{what} must have at most 65536 bytes of UTF-8; this one has 65537"));
    }
}

#[test]
fn a_long_text_is_kept_as_it_is_written_but_for_its_line_breaks() {
    for (_, door) in LONG_TEXTS {
        let written = "  first\n\tsecond \u{202b}third\u{202c}\u{200b} ";
        assert_eq!(door(written), Ok(written.to_owned()));
        assert_eq!(door("a\r\nb\rc\n\rd\u{b}e\u{c}f\u{85}g\u{2028}h\u{2029}i\r\n\r\nj"), Ok("a\nb\nc\n\nd\ne\nf\ng\nh\ni\n\nj".to_owned()));
    }
}

#[test]
fn a_long_text_has_no_control_characters() {
    for (what, door) in LONG_TEXTS {
        for bad in ['\0', '\u{8}', '\u{1b}', '\u{7f}', '\u{80}', '\u{9b}'] {
            assert_eq!(
                message(door(&format!("ab{bad}c"))),
                format!(
                    "{what} can contain line breaks and tabs, but no other control characters; remove U+{:04X} (character 3)",
                    u32::from(bad)
                )
            );
        }
    }
}

#[test]
fn a_description_may_be_empty_and_a_comment_may_not() {
    assert_eq!(Description::new(""), Ok(Description::empty()));
    assert_eq!(Description::empty().as_str(), "");
    for blank in BLANK {
        Description::new(blank).unwrap_or_else(|refused| panic!("{blank:?}: {refused}"));
        let message = message(CommentBody::new(blank).map(String::from));
        assert!(message.starts_with("a comment must have at least one visible character; this one is blank"), "{message}");
    }
}

/// Characters of every kind that a rule speaks of, and any others.
fn written() -> impl Strategy<Value = String> {
    let special = "[\u{0}-\u{20}\u{7f}-\u{a0}\u{ad}\u{300}-\u{36f}\u{1100}-\u{11ff}\u{2000}-\u{206f}\u{2800}\u{fe00}-\u{fe0f}\u{feff}\u{1d159}-\u{1d16f}]";
    prop::collection::vec(
        prop_oneof![any::<char>(), proptest::string::string_regex(special).expect("a class").prop_map(first), Just('e')],
        0..40,
    )
    .prop_map(String::from_iter)
}

fn first(text: String) -> char {
    text.chars().next().expect("the class gives one character")
}

#[test]
fn what_a_door_lets_in_it_lets_in_again_as_it_is() {
    for_all(4_000, written(), |text| {
        let lines = LINES.into_iter().map(|(_, _, door)| door);
        for door in lines.chain(LONG_TEXTS.map(|(_, door)| door)) {
            if let Ok(stored) = door(&text) {
                assert_eq!(door(&stored), Ok(stored.clone()));
                assert_eq!(crate::values::normalized(stored.clone()), stored);
            }
        }
    });
}

#[test]
fn a_project_key_is_two_to_ten_capitals_and_digits_that_begin_with_a_capital() {
    for good in ["AB", "A1", "PRJ", "X123456789", "ABCDEFGHIJ"] {
        assert_eq!(ProjectKey::new(good).expect("a good key").as_str(), good);
    }
    for (bad, found) in [
        ("", "0 of them"),
        ("A", "1 of them"),
        ("1A", "U+0031 (character 1)"),
        ("ABCDEFGHIJK", "11 of them"),
        ("prj", "U+0070 (character 1)"),
        ("Prj", "U+0072 (character 2)"),
        ("P-J", "U+002D (character 2)"),
        (" PRJ", "U+0020 (character 1)"),
        ("PRJ ", "U+0020 (character 4)"),
        ("ÄB", "U+00C4 (character 1)"),
        ("A\u{660}", "U+0660 (character 2)"),
        ("AB\n", "U+000A (character 3)"),
        ("A\0", "U+0000 (character 2)"),
    ] {
        assert_eq!(
            message(ProjectKey::new(bad).map(String::from)),
            format!("a project key must be a capital letter A to Z followed by 1 to 9 capital letters or digits; this one has {found}"),
            "{bad:?}"
        );
    }
}

#[test]
fn texts_show_as_they_are() {
    assert_eq!(text::<Title>("Paint the hall").to_string(), "Paint the hall");
    assert_eq!(text::<ProjectKey>("PRJ").to_string(), "PRJ");
}

#[test]
fn a_stored_text_is_what_it_was_whatever_the_rules_are_now() {
    fn is_kept<T: Serialize + DeserializeOwned>() {
        for stored in ["Paint the hall", "", " \u{200b}", "a\0b\r\n\u{202e}c", "Cafe\u{301}", &"x".repeat(100_000)] {
            let read: T = serde_json::from_value(json!(stored)).unwrap_or_else(|error| panic!("{stored:?}: {error}"));
            assert_eq!(serde_json::to_value(read).expect("JSON"), json!(stored));
        }
    }
    is_kept::<Title>();
    is_kept::<ProjectName>();
    is_kept::<Category>();
    is_kept::<Tag>();
    is_kept::<BlockedReason>();
    is_kept::<Description>();
    is_kept::<CommentBody>();
    is_kept::<ProjectKey>();
    refusal_of::<Title>(json!(7));
}
