//! The description of a broken rule: a code for programs, a sentence for people, and the field it concerns.

/// The code if an object does not exist or is not in the caller's workspace: the two are indistinguishable.
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
    ("ALREADY_A_COLLABORATOR", "The user is already a collaborator; change the role instead."),
    ("DATE_RANGE", "The first day is after the last day."),
    ("FOLLOWS_TASK", "The schedule follows a task's due date; change the task instead."),
    ("ID_TAKEN", "The given ID is already in use by an object of any type."),
    ("INVALID_VALUE", "A value is outside its limits; the message names the limit."),
    ("KEY_TAKEN", "The project key is or was used by another project of the workspace."),
    ("LAST_OWNER", "A project must have an owner."),
    ("NOT_A_COLLABORATOR", "The user is not a collaborator of the project."),
    ("NOT_YET_DUE", "Nothing fires yet. Only the scheduler receives it."),
    ("PROJECT_ARCHIVED", "The project is archived; unarchive it first."),
    ("PROJECT_DELETED", "The project is deleted."),
    ("SCHEDULE_DELETED", "The schedule is deleted."),
    ("SCHEDULE_MET", "The schedule is met and cannot be rescheduled."),
    ("TASK_CLOSED", "The task that the schedule follows is done or cancelled. Only the scheduler receives it."),
    ("TASK_DELETED", "The task is deleted."),
    ("TASK_DONE", "The task is done: its due date, assignees and project cannot change; reopen it first."),
    ("TOO_MANY_ASSIGNEES", "A task can have at most 50 assignees."),
    ("TOO_MANY_COLLABORATORS", "A project can have at most 1,000 collaborators."),
    ("TOO_MANY_TAGS", "A task can have at most 50 tags."),
    ("TOO_MANY_THRESHOLDS", "A schedule can have at most 20 thresholds."),
    ("TRANSITION_NOT_ALLOWED", "This change of status is not allowed; the message names the allowed ones."),
    (NOT_FOUND, "The object does not exist in the workspace. Returned as an error, not in `userErrors`."),
];
