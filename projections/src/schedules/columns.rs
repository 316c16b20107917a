//! How values of `schedules` are stored in its table.

use super::{ScheduleRow, ScheduleState};
use crate::columns::{one_column, stored};
use sqlx::Error;

stored!(ScheduleRow {
    id,
    workspace_id,
    project_id,
    task_id,
    follows_task,
    title,
    state,
    due,
    due_revision,
    thresholds,
    fired_through,
    next_fire_at,
    project_at_rest,
    hidden,
    created_at,
    updated_at,
    version,
});

one_column! {
    ScheduleState: "text", |state| state.word(), ScheduleState::from_word;
}

impl ScheduleState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approaching, Self::Overdue, Self::Met, Self::Deleted];

    /// The word stored for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approaching => "approaching",
            Self::Overdue => "overdue",
            Self::Met => "met",
            Self::Deleted => "deleted",
        }
    }

    fn from_word(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| Error::Decode(format!("{word:?} is not a state of a schedule").into()))
    }
}
