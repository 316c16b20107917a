use super::{is_stored_as, refusal_of};
use crate::testing::text;
use crate::values::{BlockedReason, Category, CommentBody, Description, InvalidValue, ProjectKey, ProjectName, Tag, Title};
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
            format!("{what} has 1 to {most} characters after trimming; this one has {}", most + 1)
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

#[test]
fn a_line_is_never_blank() {
    for (what, most, door) in LINES {
        for blank in ["", " ", "\n", "\u{3000}\t"] {
            assert_eq!(message(door(blank)), format!("{what} has 1 to {most} characters after trimming; this one is blank"));
        }
    }
}

#[test]
fn a_line_has_no_control_characters() {
    for (what, _, door) in LINES {
        for (bad, named) in
            [('\0', "U+0000"), ('\n', "U+000A"), ('\t', "U+0009"), ('\u{1b}', "U+001B"), ('\u{7f}', "U+007F"), ('\u{85}', "U+0085")]
        {
            assert_eq!(message(door(&format!("a{bad}b"))), format!("{what} is one line without control characters; this one has {named}"));
        }
        // Not space, so trimming does not hide it.
        assert!(message(door("\0a")).contains("U+0000"));
    }
}

#[test]
fn a_long_text_holds_sixty_four_kib_and_not_one_byte_more() {
    for (what, door) in LONG_TEXTS {
        let longest = "ß".repeat(SIXTY_FOUR_KIB / 2);
        assert_eq!(door(&longest), Ok(longest.clone()));
        assert_eq!(message(door(&format!("{longest}x"))), format!("{what} has at most 65536 bytes of UTF-8; this one has 65537"));
    }
}

#[test]
fn a_long_text_is_kept_as_it_is_written() {
    for (_, door) in LONG_TEXTS {
        let written = "  first\n\tsecond \u{1b}\r\n";
        assert_eq!(door(written), Ok(written.to_owned()));
    }
}

#[test]
fn a_long_text_has_no_nul() {
    for (what, door) in LONG_TEXTS {
        assert_eq!(message(door("a\0b")), format!("{what} cannot hold the character U+0000"));
    }
}

#[test]
fn a_description_may_be_empty_and_a_comment_may_not() {
    assert_eq!(Description::new(""), Ok(Description::empty()));
    assert_eq!(Description::empty().as_str(), "");
    for blank in ["", " ", "\n\t\u{3000}"] {
        assert_eq!(message(CommentBody::new(blank).map(String::from)), "a comment says something; this one is blank");
    }
}

#[test]
fn a_project_key_is_two_to_ten_capitals_and_digits_that_begin_with_a_capital() {
    for good in ["AB", "A1", "PRJ", "X123456789", "ABCDEFGHIJ"] {
        assert_eq!(ProjectKey::new(good).expect("a good key").as_str(), good);
    }
    for bad in ["", "A", "1A", "ABCDEFGHIJK", "prj", "Prj", "P-J", " PRJ", "PRJ ", "P J", "ÄB", "A\u{660}", "AB\n", "A\0"] {
        assert_eq!(
            message(ProjectKey::new(bad).map(String::from)),
            "a project key is a capital letter A to Z followed by 1 to 9 capital letters or digits",
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
fn stored_texts_come_in_by_the_same_door() {
    is_stored_as(&text::<Title>("Paint the hall"), &json!("Paint the hall"));
    is_stored_as(&text::<ProjectName>("Apollo"), &json!("Apollo"));
    is_stored_as(&text::<Category>("rooms"), &json!("rooms"));
    is_stored_as(&text::<Tag>("paint"), &json!("paint"));
    is_stored_as(&text::<BlockedReason>("no paint"), &json!("no paint"));
    is_stored_as(&Description::empty(), &json!(""));
    is_stored_as(&text::<CommentBody>("\nlooks good"), &json!("\nlooks good"));
    is_stored_as(&text::<ProjectKey>("PRJ"), &json!("PRJ"));
}

#[test]
fn bad_stored_texts_are_refused() {
    assert!(refusal_of::<Title>(json!("x".repeat(201))).contains("this one has 201"));
    assert!(refusal_of::<ProjectName>(json!(" ")).contains("blank"));
    assert!(refusal_of::<Category>(json!("a\tb")).contains("U+0009"));
    assert!(refusal_of::<Tag>(json!("x".repeat(51))).contains("this one has 51"));
    assert!(refusal_of::<BlockedReason>(json!("")).contains("blank"));
    assert!(refusal_of::<Description>(json!("\0")).contains("U+0000"));
    assert!(refusal_of::<CommentBody>(json!(" ")).contains("blank"));
    assert!(refusal_of::<ProjectKey>(json!("prj")).contains("capital"));
    refusal_of::<Title>(json!(7));
}
