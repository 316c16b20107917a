//! Answers in memory: of no more bytes than allowed, and counted until they are written.

use crate::load::{NotReserved, Underway};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;

/// An answer in memory. The reservation of its request ends with it: once it is written, or the client is gone.
pub(super) struct ReservedAnswer {
    bytes: Vec<u8>,
    _underway: Arc<Underway>,
}

impl ReservedAnswer {
    /// The outcome of commands is kept even beyond the limits.
    pub(super) fn new(bytes: Vec<u8>, underway: &Arc<Underway>, carried_out: bool) -> Result<Self, NotReserved> {
        if carried_out {
            underway.reserve_beyond_limits(bytes.len())
        } else {
            underway.replace_reserved(bytes.len())?
        }
        Ok(Self { bytes, _underway: Arc::clone(underway) })
    }
}

impl AsRef<[u8]> for ReservedAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// As JSON, or its length if that is longer than allowed.
pub(super) fn written(value: &impl Serialize, allowed: usize) -> Result<Vec<u8>, usize> {
    let mut bounded = Bounded { bytes: vec![], length: 0, allowed };
    // Answers are plain values: writing them to memory does not fail.
    let _ = serde_json::to_writer(&mut bounded, value);
    if bounded.length > allowed { Err(bounded.length) } else { Ok(bounded.bytes) }
}

/// Stores output up to a length, and counts the rest.
struct Bounded {
    bytes: Vec<u8>,
    length: usize,
    allowed: usize,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.length += more.len();
        if self.length <= self.allowed {
            self.bytes.extend_from_slice(more);
        }
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_counted_and_not_retained() {
        let text = "x".repeat(98);
        assert_eq!(written(&text, 100).map(|bytes| bytes.len()), Ok(100));
        assert_eq!(written(&text, 99), Err(100));
        assert_eq!(written(&vec![text; 1_000], 99), Err(101 * 1_000 + 1));
    }
}
