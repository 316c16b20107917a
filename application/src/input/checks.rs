//! Everything that is wrong with an input, collected.

use domain::rule::Rule;
use domain::values::InvalidValue;

/// Most refusals of one input. Of a list of thousands of wrong values the first ones are reported.
pub const REFUSALS_MAX: usize = 100;

/// Why a command was refused: a code for programs, a sentence for people, and the place in the input.
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

/// Collects what is wrong while an input is checked, so that a caller is told everything at once.
#[derive(Default)]
pub(crate) struct Checks {
    refusals: Vec<Refusal>,
}

impl Checks {
    /// What `read` makes of an input, or everything that is wrong with the input.
    pub(crate) fn all<T>(read: impl FnOnce(&mut Self) -> Option<T>) -> Result<T, Vec<Refusal>> {
        let mut checks = Self::default();
        match read(&mut checks) {
            Some(value) if checks.refusals.is_empty() => Ok(value),
            _ => Err(checks.refusals),
        }
    }

    /// The value, or `None` after noting what is wrong with it. Steps of the path are separated by dots.
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
}
