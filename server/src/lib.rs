//! The composition root: the only place that knows every part, and the admin commands.

// What the commands print is their answer.
#![allow(clippy::print_stdout)]

pub mod adapters;
pub mod cli;
pub mod commands;
pub mod exit;
pub mod seed;
pub mod telemetry;
pub mod wire;

use clap::Parser;
use cli::{Cli, Command};
use exit::Failure;
use infrastructure::config::Configuration;
use std::process::ExitCode;

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) => {
            let _ = help.print();
            // Help that was asked for is no mistake.
            return if help.use_stderr() { ExitCode::from(exit::WRONG_USE) } else { ExitCode::SUCCESS };
        }
    };
    let configuration = match Configuration::read(cli.flags()) {
        Ok(configuration) => configuration,
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("milepost: {error}"));
            return ExitCode::from(exit::WRONG_USE);
        }
    };
    telemetry::start_log(&configuration.settings.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("milepost: the runtime could not be started: {error}");
            return ExitCode::from(exit::NOT_THERE);
        }
    };
    match runtime.block_on(run(cli.command, configuration)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("milepost: {}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

async fn run(command: Command, configuration: Configuration) -> Result<(), Failure> {
    match command {
        Command::Dev(arguments) => commands::dev::run(arguments, configuration).await,
        Command::Serve(arguments) => commands::serve::run(arguments, configuration).await,
        Command::Migrate => commands::migrate::run(&configuration).await,
        Command::Import(arguments) => commands::import::run(arguments, &configuration).await,
        Command::Projections(arguments) => commands::projections::run(arguments, &configuration).await,
        Command::Topics(arguments) => commands::topics::run(arguments, &configuration).await,
        Command::Verify(arguments) => commands::verify::run(arguments, &configuration).await,
        Command::Events(arguments) => commands::events::run(arguments, &configuration).await,
        Command::Token(arguments) => commands::token::run(&arguments, &configuration),
        Command::Config(arguments) => commands::config::run(&arguments, &configuration),
    }
}
