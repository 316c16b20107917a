//! `milepost`, which kills itself at a step of the relay: `FAILPOINT=relay_before_commit=2` survives that step twice and dies
//! at the third time.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The step to die at, and how many times it is survived before.
static STEP: OnceLock<(String, usize)> = OnceLock::new();

fn main() -> ExitCode {
    if let Some((step, survived)) = std::env::var("FAILPOINT").unwrap_or_default().split_once('=') {
        let survived = survived.parse().expect("FAILPOINT is STEP=NUMBER");
        STEP.get_or_init(|| (step.to_owned(), survived));
        infrastructure::kafka::relay::FAILPOINT.get_or_init(|| die);
    }
    server::main()
}

fn die(step: &'static str) {
    static REACHED: AtomicUsize = AtomicUsize::new(0);
    if STEP.get().is_some_and(|(last, survived)| last == step && REACHED.fetch_add(1, Ordering::Relaxed) >= *survived) {
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}
