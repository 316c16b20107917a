//! `milepost migrate`: create or update the tables.

use crate::exit::Failure;
use infrastructure::config::{Configuration, Settings};
use infrastructure::postgres;

/// Runs the migrations that are missing.
pub async fn run(configuration: &Configuration) -> Result<(), Failure> {
    let ran = migrate(&configuration.settings).await?;
    say!("{}", if ran == 0 { "the database schema is up to date".to_owned() } else { format!("{ran} migrations were run") });
    Ok(())
}

/// Runs the migrations that are missing, as the login for that if there is one.
pub(super) async fn migrate(settings: &Settings) -> Result<usize, Failure> {
    let url = match (settings.migrate_database_url.as_str(), settings.database_url.as_str()) {
        ("", "") => {
            return Err(Failure::wrong_use(
                "DATABASE_URL is not set: name the PostgreSQL to use, such as postgres://user:password@host:5432/name",
            ));
        }
        ("", url) | (url, _) => url,
    };
    Ok(postgres::migrate(url).await?)
}
