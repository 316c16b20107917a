//! Stop signals: the first ends the process cleanly, the second at once.

use crate::exit::Failure;
use crate::output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Receiver;

/// Timeout for a node to stop: service managers kill after ten seconds.
pub const STOP_WITHIN: Duration = Duration::from_secs(8);

/// Receives Ctrl-C and the signals of service managers. The second signal ends the process at once, as by default.
pub(super) fn stop_signals() -> Result<Receiver<()>, Failure> {
    let (send, stop) = tokio::sync::mpsc::channel(1);
    let before = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).map_err(|error| Failure::not_there(format!("failed to listen for signals: {error}")))?;
        let (send, before) = (send.clone(), Arc::clone(&before));
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if before.swap(true, Ordering::Relaxed) {
                    end_at_once(kind);
                }
                let _ = send.try_send(());
            }
        });
    }
    Ok(stop)
}

#[expect(clippy::disallowed_methods, reason = "a second signal asks to stop without finishing requests")]
fn end_at_once(kind: SignalKind) -> ! {
    output::complain("second signal: stopped immediately");
    std::process::exit(128 + kind.as_raw_value())
}

/// The result of work, or `None` if a stop signal comes first.
pub(super) async fn unless_stopped<T>(stop: &mut Receiver<()>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        _ = stop.recv() => None,
    }
}
