//! Everything that is wrong with an input, collected.

use domain::rule::Rule;
use domain::values::InvalidValue;

/// Most refusals of one input. A list of thousands of wrong values is told of by its first ones.
pub const REFUSALS_MAX: usize = 100;

/// Why a wish was refused: a code for programs, a sentence for people, and the place in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Upper snake case, from a closed list: see `docs/ERRORS.md`.
    pub code: &'static str,
    pub message: String,
    /// Points into the input, such as `["due", "date"]`.
    pub path: Vec<String>,
}

impl Refusal {
    pub(crate) fn by_rule(rule: &impl Rule) -> Self {
        Self { code: rule.code(), message: rule.to_string(), path: rule.path().map(str::to_owned).into_iter().collect() }
    }
}

/// Collects what is wrong while an input is read, so that a caller learns everything at once.
#[derive(Default)]
pub(crate) struct Checks {
    refusals: Vec<Refusal>,
}

impl Checks {
    /// The value, or a note about what is wrong with it. Steps of the path are separated by dots.
    pub(crate) fn value<T>(&mut self, path: &str, parsed: Result<T, InvalidValue>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(invalid) => {
                if self.refusals.len() < REFUSALS_MAX {
                    let path = path.split('.').map(str::to_owned).collect();
                    self.refusals.push(Refusal { code: invalid.code, message: invalid.message, path });
                }
                None
            }
        }
    }

    /// The result, unless something was wrong.
    pub(crate) fn finish<T>(self, result: Option<T>) -> Result<T, Vec<Refusal>> {
        match result {
            Some(result) if self.refusals.is_empty() => Ok(result),
            _ => Err(self.refusals),
        }
    }
}
