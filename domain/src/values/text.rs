//! Texts with limits. Lengths count Unicode characters after trimming, unless said to be bytes.

use super::InvalidValue;
use serde::{Deserialize, Serialize};
use std::fmt;

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

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and keeps it.
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
    /// Why a task cannot go on: one line of 1 to 1,000 characters.
    BlockedReason, |text| line("a reason for being blocked", text, BLOCKED_REASON_CHARS_MAX)
}
text! {
    /// What a project or task is about: up to 64 KiB, empty when nothing was said.
    Description, |text| long_text("a description", text)
}
text! {
    /// What somebody said about a task: up to 64 KiB, never blank.
    CommentBody, |text: String| match text.trim().is_empty() {
        true => Err(InvalidValue::new("a comment says something; this one is blank")),
        false => long_text("a comment", text),
    }
}
text! {
    /// The short name of a project that its task keys begin with, such as `PRJ` in `PRJ-12`.
    ProjectKey, project_key
}

impl Description {
    /// Nothing said.
    pub fn empty() -> Self {
        Self(String::new())
    }
}

fn line(what: &str, text: String, chars_max: usize) -> Result<String, InvalidValue> {
    let trimmed = text.trim();
    if let Some(bad) = trimmed.chars().find(|c| c.is_control()) {
        return Err(InvalidValue::new(format!("{what} is one line without control characters; this one has U+{:04X}", u32::from(bad))));
    }
    match trimmed.chars().count() {
        0 => Err(InvalidValue::new(format!("{what} has 1 to {chars_max} characters after trimming; this one is blank"))),
        n if n > chars_max => Err(InvalidValue::new(format!("{what} has 1 to {chars_max} characters after trimming; this one has {n}"))),
        _ if trimmed.len() == text.len() => Ok(text),
        _ => Ok(trimmed.to_owned()),
    }
}

fn long_text(what: &str, text: String) -> Result<String, InvalidValue> {
    if text.contains('\0') {
        return Err(InvalidValue::new(format!("{what} cannot hold the character U+0000")));
    }
    match text.len() {
        n if n > LONG_TEXT_BYTES_MAX => {
            Err(InvalidValue::new(format!("{what} has at most {LONG_TEXT_BYTES_MAX} bytes of UTF-8; this one has {n}")))
        }
        _ => Ok(text),
    }
}

fn project_key(text: String) -> Result<String, InvalidValue> {
    let mut chars = text.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_ascii_uppercase());
    let goes_on_well = chars.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if starts_well && goes_on_well && (2..=PROJECT_KEY_CHARS_MAX).contains(&text.len()) {
        return Ok(text);
    }
    Err(InvalidValue::new(format!(
        "a project key is a capital letter A to Z followed by 1 to {} capital letters or digits",
        PROJECT_KEY_CHARS_MAX - 1
    )))
}
