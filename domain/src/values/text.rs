//! Texts with limits. Lengths count Unicode characters of the text as it is stored, unless said to be bytes.
//!
//! Input is parsed by `new`: it is converted to Unicode's normalization form C, so that a word typed on one system
//! equals the same word typed on another, and then checked. Line breaks of every kind become `\n` in long texts. Stored
//! texts are read unchanged, since a tightened rule must not make a fact unreadable.

use super::InvalidValue;
use icu_properties::props::{BidiClass, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, PrependedConcatenationMark};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// Longest project name, in characters.
pub const PROJECT_NAME_CHARS_MAX: usize = 200;
/// Longest category, in characters.
pub const CATEGORY_CHARS_MAX: usize = 50;
/// Longest tag, in characters.
pub const TAG_CHARS_MAX: usize = 50;
/// Longest reason for being blocked, in characters.
pub const BLOCKED_REASON_CHARS_MAX: usize = 1_000;
/// Longest description and longest comment, in bytes of UTF-8.
pub const LONG_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Longest project key, in characters.
pub const PROJECT_KEY_CHARS_MAX: usize = 10;

/// A text from storage, unchecked.
#[derive(Deserialize)]
#[serde(transparent)]
struct StoredText(String);

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "StoredText", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Brings the text into its stored form and checks it.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidValue> {
                $check(text.into()).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;
            fn try_from(text: String) -> Result<Self, InvalidValue> {
                Self::new(text)
            }
        }

        impl From<StoredText> for $name {
            fn from(stored: StoredText) -> Self {
                Self(stored.0)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// The title of a task or schedule: one line of 1 to 200 characters.
    Title, |text| line("a title", text, TITLE_CHARS_MAX)
}
text! {
    /// The name of a project: one line of 1 to 200 characters.
    ProjectName, |text| line("a project name", text, PROJECT_NAME_CHARS_MAX)
}
text! {
    /// A free word that groups tasks: one line of 1 to 50 characters.
    Category, |text| line("a category", text, CATEGORY_CHARS_MAX)
}
text! {
    /// A label on a task: one line of 1 to 50 characters.
    Tag, |text| line("a tag", text, TAG_CHARS_MAX)
}
text! {
    /// Why a task is blocked: one line of 1 to 1,000 characters.
    BlockedReason, |text| line("a reason for being blocked", text, BLOCKED_REASON_CHARS_MAX)
}
text! {
    /// The description of a project or task: up to 64 KiB, may be empty.
    Description, |text| long_text("a description", text)
}
text! {
    /// The body of a comment: up to 64 KiB, never blank.
    CommentBody, comment
}
text! {
    /// The short name of a project with which its task keys start, such as `PRJ` in `PRJ-12`.
    ProjectKey, project_key
}

impl Description {
    /// The empty text.
    pub fn empty() -> Self {
        Self(String::new())
    }
}

/// A text in normalization form C, as texts are stored. Texts that are compared with them must be normalized too.
pub fn normalized(text: String) -> String {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        IsNormalized::No | IsNormalized::Maybe => text.nfc().collect(),
    }
}

/// A text of one line, as every short text is stored: in normalization form C, trimmed, with a visible character and no
/// character that leaves the line.
pub fn line(what: &str, text: String, chars_max: usize) -> Result<String, InvalidValue> {
    let text = normalized(text);
    let trimmed = text.trim();
    if let Some(found) = trimmed.chars().enumerate().find(|(_, c)| leaves_line(*c)) {
        let limit = "must be one line without control characters, line breaks and bidirectional overrides";
        return Err(InvalidValue::new(format!("{what} {limit}; remove {}", Named(found))));
    }
    if shows_nothing(trimmed) {
        let limit = format!("must have 1 to {chars_max} characters, at least one of them visible");
        return Err(InvalidValue::new(format!("{what} {limit}; this one {}", Blank(trimmed))));
    }
    match trimmed.chars().count() {
        n if n > chars_max => {
            Err(InvalidValue::new(format!("{what} must have 1 to {chars_max} characters after trimming; this one has {n}")))
        }
        _ if trimmed.len() == text.len() => Ok(text),
        _ => Ok(trimmed.to_owned()),
    }
}

fn long_text(what: &str, text: String) -> Result<String, InvalidValue> {
    let text = normalized(with_line_feeds(text));
    if let Some(found) = text.chars().enumerate().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\t')) {
        let limit = "can contain line breaks and tabs, but no other control characters";
        return Err(InvalidValue::new(format!("{what} {limit}; remove {}", Named(found))));
    }
    match text.len() {
        n if n > LONG_TEXT_BYTES_MAX => {
            Err(InvalidValue::new(format!("{what} must have at most {LONG_TEXT_BYTES_MAX} bytes of UTF-8; this one has {n}")))
        }
        _ => Ok(text),
    }
}

fn comment(text: String) -> Result<String, InvalidValue> {
    let text = long_text("a comment", text)?;
    if shows_nothing(&text) {
        Err(InvalidValue::new(format!("a comment must have at least one visible character; this one {}", Blank(text.trim()))))
    } else {
        Ok(text)
    }
}

fn project_key(text: String) -> Result<String, InvalidValue> {
    let fits = |(index, c): &(usize, char)| c.is_ascii_uppercase() || (*index > 0 && c.is_ascii_digit());
    let found = match text.chars().enumerate().find(|character| !fits(character)) {
        None if (2..=PROJECT_KEY_CHARS_MAX).contains(&text.len()) => return Ok(text),
        None => format!("this one has {} of them", text.len()),
        Some(found) => format!("this one has {}", Named(found)),
    };
    let more = PROJECT_KEY_CHARS_MAX - 1;
    Err(InvalidValue::new(format!(
        "a project key must be a capital letter A to Z followed by 1 to {more} capital letters or digits; {found}"
    )))
}

/// Whether a character affects more than its own place in the line.
fn leaves_line(c: char) -> bool {
    let ends_line = |c| matches!(category(c), GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator);
    c.is_control() || (!c.is_ascii() && (ends_line(c) || redirects(c)))
}

/// Whether a character turns the direction of those after it: an embedding, an override, an isolate, or the end of one.
fn redirects(c: char) -> bool {
    matches!(
        CodePointMapData::<BidiClass>::new().get(c),
        BidiClass::LeftToRightEmbedding
            | BidiClass::RightToLeftEmbedding
            | BidiClass::LeftToRightOverride
            | BidiClass::RightToLeftOverride
            | BidiClass::PopDirectionalFormat
            | BidiClass::LeftToRightIsolate
            | BidiClass::RightToLeftIsolate
            | BidiClass::FirstStrongIsolate
            | BidiClass::PopDirectionalIsolate
    )
}

fn shows_nothing(text: &str) -> bool {
    !text.chars().any(shows)
}

/// Symbols that are drawn as nothing, which no property of Unicode says: the empty Braille pattern and the null notehead.
const EMPTY_SYMBOLS: [char; 2] = ['\u{2800}', '\u{1d159}'];

/// Whether a character can be seen by itself. A mark needs one to stand on.
fn shows(c: char) -> bool {
    let hidden_format = category(c) == GeneralCategory::Format && !CodePointSetData::new::<PrependedConcatenationMark>().contains(c);
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    let mark = GeneralCategoryGroup::Mark.contains(category(c));
    !(c.is_whitespace() || c.is_control() || mark || hidden_format || ignorable || EMPTY_SYMBOLS.contains(&c))
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::new().get(c)
}

/// The same text with `\n` for every line break that Unicode knows.
fn with_line_feeds(text: String) -> String {
    const BREAKS: [char; 6] = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    if text.contains(BREAKS) { text.replace("\r\n", "\n").replace(BREAKS, "\n") } else { text }
}

/// A character by its code point, since it may well be invisible, and its place in the text, counted from 1.
struct Named((usize, char));

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self((index, c)) = self;
        write!(f, "U+{:04X} (character {})", u32::from(*c), index + 1)
    }
}

/// Describes a text without visible characters.
struct Blank<'a>(&'a str);

impl fmt::Display for Blank<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.chars().next() {
            None => f.write_str("is blank"),
            Some(first) => write!(f, "is blank: it contains only characters such as U+{:04X}", u32::from(first)),
        }
    }
}
