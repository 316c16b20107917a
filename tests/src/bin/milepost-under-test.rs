//! `milepost`, with the failpoints that tests switch on by the variable FAILPOINTS.

use infrastructure::kafka::relay::FAILPOINT;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::ExitCode;

fn main() -> ExitCode {
    let _failpoints = fail::FailScenario::setup();
    FAILPOINT.get_or_init(|| act);
    server::main()
}

/// Does at a step of the relay what the variable says: sleeps, or on `return` dies without a word, as in a power cut.
fn act(step: &'static str) {
    fail::fail_point!(step, |_| {
        let _ = kill(Pid::this(), Signal::SIGKILL);
    });
}
