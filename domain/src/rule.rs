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

/// Every code that a refusal can have, with what it means. The list is closed: `docs/ERRORS.md` is made from it.
pub const CODES: [(&str, &str); 22] = [
    ("ALREADY_A_COLLABORATOR", "The person is in the project already; change the role instead."),
    ("DATE_RANGE", "The first day is after the last day."),
    ("FOLLOWS_TASK", "The schedule follows a task's due date; change the task instead."),
    ("ID_TAKEN", "The id that was chosen names something already, of whatever kind."),
    ("INVALID_VALUE", "A value is outside its limits; the message names the limit."),
    ("KEY_TAKEN", "The project key belongs to another project of the workspace, now or in the past."),
    ("LAST_OWNER", "A project always has an owner."),
    ("NOT_A_COLLABORATOR", "The person is not in the project."),
    ("NOT_YET_DUE", "Nothing fires yet. Only the scheduler meets it."),
    ("PROJECT_ARCHIVED", "The project rests; unarchive it first."),
    ("PROJECT_DELETED", "The project is gone for good."),
    ("SCHEDULE_DELETED", "The schedule is gone for good."),
    ("SCHEDULE_MET", "The schedule is met and cannot be moved."),
    ("TASK_CLOSED", "The task that the schedule follows is done or cancelled. Only the scheduler meets it."),
    ("TASK_DELETED", "The task is gone for good."),
    ("TASK_DONE", "What is done is not planned anew (due, assignment, move); reopen it first."),
    ("TOO_MANY_ASSIGNEES", "A task has at most 50 assignees."),
    ("TOO_MANY_COLLABORATORS", "A project has at most 1,000 collaborators."),
    ("TOO_MANY_TAGS", "A task has at most 50 tags."),
    ("TOO_MANY_THRESHOLDS", "A schedule has at most 20 thresholds."),
    ("TRANSITION_NOT_ALLOWED", "The status cannot change so; the message names what is allowed."),
    (NOT_FOUND, "There is no such thing in the workspace. Given as an error, not among `userErrors`."),
];
