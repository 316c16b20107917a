//! How values of `deadline_log` are stored in its table.

use super::FiringRow;
use crate::columns::{Column, Part, Statement, stored};
use domain::values::{Threshold, ThresholdUnit};
use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

stored!(FiringRow {
    id,
    workspace_id,
    schedule_id,
    project_id,
    task_id,
    threshold,
    due_revision,
    due_at,
    scheduled_for,
    fired_at,
    late_by_ms,
    position,
    hidden,
});

/// `threshold_amount`, `threshold_unit`.
impl Column for Option<Threshold> {
    const PARTS: &'static [Part] = &[Part::suffix("_amount", "int"), Part::suffix("_unit", "text")];

    fn read(row: &PgRow, at: usize) -> Result<Self, Error> {
        let (amount, unit): (Option<i32>, Option<&str>) = (row.try_get(at)?, row.try_get(at + 1)?);
        amount.zip(unit).map(|(amount, unit)| threshold(amount, unit)).transpose()
    }

    fn bind<'q>(statement: Statement<'q>, values: impl Iterator<Item = &'q Self> + Clone) -> Statement<'q> {
        statement
            .bind(values.clone().map(|threshold| threshold.map(|threshold| threshold.amount as i32)).collect::<Vec<_>>())
            .bind(values.map(|threshold| threshold.map(|threshold| threshold.unit.word())).collect::<Vec<_>>())
    }
}

fn threshold(amount: i32, unit: &str) -> Result<Threshold, Error> {
    let units = [ThresholdUnit::Minutes, ThresholdUnit::Hours, ThresholdUnit::Days];
    let known = units.into_iter().find(|known| known.word() == unit);
    let unit = known.ok_or_else(|| Error::Decode(format!("{unit:?} is not a unit of a threshold").into()))?;
    Ok(Threshold { amount: u32::try_from(amount).map_err(|error| Error::Decode(Box::new(error)))?, unit })
}
