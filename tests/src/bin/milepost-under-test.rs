//! `milepost`, with the failpoints that tests switch on by the variable FAILPOINTS.

use std::process::ExitCode;

fn main() -> ExitCode {
    let _failpoints = fail::FailScenario::setup();
    server::main()
}
