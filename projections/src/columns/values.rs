//! How values that several read models share are stored in their tables.

use super::{Column, Part, Statement, one_column};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use domain::ids::{CommentId, ProjectId, ScheduleId, TaskId, UserId, WorkspaceId};
use domain::values::{Due, ResolvedThreshold};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Error, Row};
use uuid::Uuid;

one_column! {
    bool: "boolean", |value| *value, Ok;
    i32: "int", |number| *number, Ok;
    i64: "bigint", |number| *number, Ok;
    String: "text", String::as_str, Ok;
    Uuid: "uuid", |id| *id, Ok;
    DateTime<Utc>: "timestamptz", |at| *at, Ok;
    NaiveDate: "date", |date| *date, Ok;
    WorkspaceId: "uuid", |id| id.0, |id| Ok(WorkspaceId(id));
    UserId: "uuid", |id| id.0, |id| Ok(UserId(id));
    ProjectId: "uuid", |id| id.0, |id| Ok(ProjectId(id));
    TaskId: "uuid", |id| id.0, |id| Ok(TaskId(id));
    ScheduleId: "uuid", |id| id.0, |id| Ok(ScheduleId(id));
    CommentId: "uuid", |id| id.0, |id| Ok(CommentId(id));
    Tz: "text", |zone| zone.name(), time_zone;
    Vec<String>: "text" as "text[]", |texts| array_literal(texts), Ok;
    Vec<UserId>: "text" as "uuid[]", |ids| array_literal(ids), |ids: Vec<Uuid>| Ok(ids.into_iter().map(UserId).collect());
    Vec<ResolvedThreshold>: "text" as "jsonb", json, |thresholds: Json<_>| Ok(thresholds.0);
}

fn time_zone(name: &str) -> Result<Tz, Error> {
    name.parse().map_err(|_| Error::Decode(format!("{name:?} is not a time zone").into()))
}

/// A value as JSON text.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("rows hold plain values")
}

/// An array as PostgreSQL writes it, such as `{"a","b"}`.
fn array_literal<T: ToString>(items: &[T]) -> String {
    let mut literal = String::from("{");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for c in item.to_string().chars() {
            if matches!(c, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(c);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

/// `due_at`, `due_date`, `due_zone`.
impl Column for Option<Due> {
    const PARTS: &'static [Part] = &[Part::suffix("_at", "timestamptz"), Part::suffix("_date", "date"), Part::suffix("_zone", "text")];

    fn read(row: &PgRow, at: usize) -> Result<Self, Error> {
        let (moment, zone): (Option<DateTime<Utc>>, Option<&str>) = (row.try_get(at)?, row.try_get(at + 2)?);
        let Some((moment, zone)) = moment.zip(zone) else { return Ok(None) };
        Ok(Some(Due { at: moment.into(), date: row.try_get(at + 1)?, time_zone: time_zone(zone)? }))
    }

    fn bind<'q>(statement: Statement<'q>, values: impl Iterator<Item = &'q Self> + Clone) -> Statement<'q> {
        bind_due(statement, values.map(Option::as_ref))
    }
}

/// The same, never null.
impl Column for Due {
    const PARTS: &'static [Part] = Option::<Self>::PARTS;

    fn read(row: &PgRow, at: usize) -> Result<Self, Error> {
        Option::read(row, at)?.ok_or_else(|| Error::Decode("the due date is missing".into()))
    }

    fn bind<'q>(statement: Statement<'q>, values: impl Iterator<Item = &'q Self> + Clone) -> Statement<'q> {
        bind_due(statement, values.map(Some))
    }
}

fn bind_due<'q>(statement: Statement<'q>, values: impl Iterator<Item = Option<&'q Due>> + Clone) -> Statement<'q> {
    statement
        .bind(values.clone().map(|due| due.map(|due| due.at.utc())).collect::<Vec<_>>())
        .bind(values.clone().map(|due| due.and_then(|due| due.date)).collect::<Vec<_>>())
        .bind(values.map(|due| due.map(|due| due.time_zone.name())).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::array_literal;

    #[test]
    fn an_array_is_written_so_that_postgres_reads_the_same_texts() {
        assert_eq!(array_literal::<String>(&[]), "{}");
        assert_eq!(array_literal(&["hall", "a \"b\" \\ c", "NULL", "x,y}"]), r#"{"hall","a \"b\" \\ c","NULL","x,y}"}"#);
    }
}
