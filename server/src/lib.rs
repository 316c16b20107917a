//! The composition root: the only place that knows every part, and the admin commands.

#[macro_use]
mod output;

pub mod adapters;
pub mod cli;
pub mod commands;
pub mod exit;
pub mod open_files;
pub mod seed;
pub mod standstill;
pub mod telemetry;
pub mod wire;

use clap::Parser;
use cli::{Cli, Command};
use exit::Failure;
use infrastructure::config::Configuration;
use std::process::ExitCode;

/// Runs the command of the command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) => {
            let _ = help.print();
            // Requested help is not an error.
            return if help.use_stderr() { ExitCode::from(exit::WRONG_USE) } else { ExitCode::SUCCESS };
        }
    };
    let configuration = match Configuration::read(cli.flags()) {
        Ok(configuration) => configuration,
        Err(errors) => {
            errors.iter().for_each(|error| output::complain(&error.to_string()));
            return ExitCode::from(exit::WRONG_USE);
        }
    };
    let failure = match telemetry::start_log(&configuration.settings.log) {
        Ok(()) => run_to_the_end(cli.command, configuration).err(),
        Err(failure) => Some(failure),
    };
    let lost = || output::lost().map(|reason| Failure::wrong_use(format!("the output could not be written: {reason}")));
    match failure.or_else(lost) {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            if !failure.message.is_empty() {
                output::complain(&failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn run_to_the_end(command: Command, configuration: Configuration) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::not_there(format!("the runtime could not be started: {error}")))?;
    let result = runtime.block_on(run(command, configuration));
    // A thread that still waits, for a line of standard input or for Kafka, must not keep the process.
    runtime.shutdown_background();
    result
}

async fn run(command: Command, configuration: Configuration) -> Result<(), Failure> {
    match command {
        Command::Dev(arguments) => commands::dev::run(arguments, configuration).await,
        Command::Serve(arguments) => commands::serve::run(arguments, configuration).await,
        Command::Migrate => commands::migrate::run(&configuration).await,
        Command::Import(arguments) => commands::import::run(arguments, &configuration).await,
        Command::Projections(arguments) => commands::projections::run(arguments, &configuration).await,
        Command::DeadLetters(arguments) => commands::dead_letters::run(arguments, &configuration).await,
        Command::Topics(arguments) => commands::topics::run(arguments, &configuration).await,
        Command::Relay(arguments) => commands::relay::run(arguments, &configuration).await,
        Command::Verify(arguments) => commands::verify::run(arguments, &configuration).await,
        Command::Events(arguments) => commands::events::run(arguments, &configuration).await,
        Command::Token(arguments) => commands::token::run(&arguments, &configuration),
        Command::Config(arguments) => commands::config::run(&arguments, &configuration),
    }
}
