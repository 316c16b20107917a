//! What a broken rule tells: a code for programs, a sentence for people, and the field it concerns.

/// The code of a thing that is not there, or not in the caller's workspace: nobody can tell which.
pub const NOT_FOUND: &str = "NOT_FOUND";
/// The code of an id that names something already.
pub const ID_TAKEN: &str = "ID_TAKEN";

/// A refusal by a rule of an aggregate. `Display` is the sentence.
pub trait Rule: std::error::Error {
    /// Upper snake case, from a closed list.
    fn code(&self) -> &'static str;
    /// The field of the input that the rule concerns, where there is one.
    fn path(&self) -> Option<&'static str>;
}
