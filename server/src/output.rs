//! What the commands print. A reader that has gone is no fault: it has what it wanted. Anything else that keeps an answer
//! from being written is, for whoever asked would take silence for an answer.

use serde::Serialize;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

static LOST: OnceLock<String> = OnceLock::new();

/// Prints a line. False if nobody reads any more.
pub(crate) fn line(text: Arguments<'_>) -> bool {
    match writeln!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush()) {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != ErrorKind::BrokenPipe {
                let _ = LOST.set(error.to_string());
            }
            false
        }
    }
}

/// Prints an answer as JSON. One that cannot be written is lost, not empty.
pub(crate) fn json(answer: &impl Serialize) {
    match serde_json::to_string_pretty(answer) {
        Ok(text) => drop(line(format_args!("{text}"))),
        Err(error) => drop(LOST.set(error.to_string())),
    }
}

/// Why something was not printed that somebody still waits for.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Tells people on standard error. There is nobody left to tell if that fails.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "milepost: {text}");
}

/// `println!`, for readers that may go away.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = $crate::output::line(format_args!($($text)*));
    }};
}
