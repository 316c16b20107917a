//! The append statement by itself, for benchmarks.

use super::batch::{self, EncodedUnit, UnitAnswer};
use application::ports::Unit;
use sqlx::{Error, PgConnection};

/// Units with their events as they are stored.
pub struct Batch(Vec<EncodedUnit>);

impl Batch {
    /// Encodes units.
    pub fn of(units: impl IntoIterator<Item = Unit>) -> Self {
        Self(units.into_iter().map(EncodedUnit::new).collect())
    }

    /// Appends all of it in one statement, and says how many units were taken.
    pub async fn append(&self, connection: &mut PgConnection) -> Result<usize, Error> {
        let answers = batch::append(connection, &self.0).await?;
        Ok(answers.iter().filter(|answer| matches!(answer, UnitAnswer::Appended { .. })).count())
    }
}
