//! How values of `project_overview` are stored in its table.

use super::{Collaborator, Counts, ProjectRow};
use crate::columns::{Column, Part, Statement, json, one_column, read_next, stored};
use domain::project::Phase;
use sqlx::Error;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

stored!(ProjectRow {
    id,
    workspace_id,
    key,
    name,
    description,
    phase,
    start_on,
    due_on,
    time_zone,
    collaborators,
    counts,
    created_by,
    created_at,
    updated_at,
    version,
});

one_column! {
    Phase: "text", |phase| phase_word(*phase), phase;
    Vec<Collaborator>: "text" as "jsonb", json, |collaborators: Json<_>| Ok(collaborators.0);
}

/// The word for a phase.
pub fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Active => "active",
        Phase::Archived => "archived",
        Phase::Deleted => "deleted",
    }
}

fn phase(word: &str) -> Result<Phase, Error> {
    match word {
        "active" => Ok(Phase::Active),
        "archived" => Ok(Phase::Archived),
        "deleted" => Ok(Phase::Deleted),
        other => Err(Error::Decode(format!("{other:?} is not a lifecycle state").into())),
    }
}

/// A column for each status.
impl Column for Counts {
    const PARTS: &'static [Part] = &[
        Part::own("todo", "int"),
        Part::own("in_progress", "int"),
        Part::own("in_review", "int"),
        Part::own("blocked", "int"),
        Part::own("done", "int"),
        Part::own("cancelled", "int"),
    ];

    fn read(row: &PgRow, mut at: usize) -> Result<Self, Error> {
        let at = &mut at;
        Ok(Self {
            todo: read_next(row, at)?,
            in_progress: read_next(row, at)?,
            in_review: read_next(row, at)?,
            blocked: read_next(row, at)?,
            done: read_next(row, at)?,
            cancelled: read_next(row, at)?,
        })
    }

    fn bind<'q>(statement: Statement<'q>, values: impl Iterator<Item = &'q Self> + Clone) -> Statement<'q> {
        let statement = Column::bind(statement, values.clone().map(|counts| &counts.todo));
        let statement = Column::bind(statement, values.clone().map(|counts| &counts.in_progress));
        let statement = Column::bind(statement, values.clone().map(|counts| &counts.in_review));
        let statement = Column::bind(statement, values.clone().map(|counts| &counts.blocked));
        let statement = Column::bind(statement, values.clone().map(|counts| &counts.done));
        Column::bind(statement, values.map(|counts| &counts.cancelled))
    }
}
