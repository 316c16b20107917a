//! Output of the commands. A closed pipe is not an error: the reader has what it needs. Any other write error is, since
//! the user would take missing output for an answer.

use serde::Serialize;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

static LOST: OnceLock<String> = OnceLock::new();

/// Prints a line. False if the reader has closed the pipe.
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

/// The error that prevented output, unless the reader has closed the pipe.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Prints to standard error. A failure of that cannot be reported.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "milepost: {text}");
}

/// `println!`, for readers that may go away.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = $crate::output::line(format_args!($($text)*));
    }};
}
