//! `cargo xtask layers | modules | schemas [--write] | tidy [--write] | words`: what can be checked by a program is.
//!
//! Each check has tests that plant what it is there to find.

// What the checks find is their answer.
#![allow(clippy::print_stdout)]

mod docs;
mod events;
mod layers;
mod modules;
mod read_models;
mod schemas;
mod tidy;
mod words;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    let root = root();
    match arguments {
        ["layers"] => report("layers", [layers::check(&layers::metadata(&root)?), layers::check_sources(&root)?].concat()),
        ["modules"] => report("modules", modules::check(&root)?),
        ["schemas"] => report("schemas", schemas::compare(&root, &schemas::generate(&root)?)?),
        ["schemas", "--write"] => schemas::write(&root, &schemas::generate(&root)?),
        ["tidy"] => report("tidy", tidy::check(&root)?),
        ["tidy", "--write"] => tidy::write(&root),
        ["words"] => report("words", words::check(&root)?),
        _ => bail!("usage: cargo xtask layers | modules | schemas [--write] | tidy [--write] | words"),
    }
}

/// Prints what was found; anything at all is a failure.
fn report(check: &str, found: Vec<String>) -> Result<()> {
    found.iter().for_each(|problem| println!("{check}: {problem}"));
    match found.len() {
        0 => Ok(()),
        count => bail!("{check}: {count} problems"),
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
