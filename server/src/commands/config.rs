//! `milepost config`: check and show the settings.

use super::table;
use crate::cli::{Config, ConfigCommand};
use crate::exit::Failure;
use infrastructure::config::Configuration;
use infrastructure::kafka::catalogue::Catalogue;

/// Checks the settings, or prints them.
pub fn run(arguments: &Config, configuration: &Configuration) -> Result<(), Failure> {
    match arguments.what {
        ConfigCommand::Check => {
            // Single values were checked when they were read; this checks the file that they name.
            Catalogue::read(&configuration.settings.topics).map_err(|error| Failure::wrong_use(error.to_string()))?;
            say!("the settings can be used");
        }
        ConfigCommand::Show { json: true } => {
            crate::output::json(&configuration.origins);
        }
        ConfigCommand::Show { json: false } => {
            let rows: Vec<Vec<String>> = configuration
                .origins
                .iter()
                .map(|origin| vec![origin.key.to_owned(), origin.env.to_owned(), origin.value.clone(), origin.origin.clone()])
                .collect();
            table::print(&["KEY", "VARIABLE", "VALUE", "FROM"], &rows);
        }
    }
    Ok(())
}
