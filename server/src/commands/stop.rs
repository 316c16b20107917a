//! Being told to stop: once to end in order, twice to end at once.

use crate::exit::Failure;
use crate::output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Receiver;

/// Longest time for a node to stop, whatever hangs: service managers kill after ten seconds.
pub const STOP_WITHIN: Duration = Duration::from_secs(8);

/// Hears Ctrl-C and what service managers send. The second time, the process ends where it stands, as the signal would
/// have ended it.
pub(super) fn stop_signals() -> Result<Receiver<()>, Failure> {
    let (tell, told) = tokio::sync::mpsc::channel(1);
    let before = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).map_err(|error| Failure::not_there(format!("failed to listen for signals: {error}")))?;
        let (tell, before) = (tell.clone(), Arc::clone(&before));
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if before.swap(true, Ordering::Relaxed) {
                    end_at_once(kind);
                }
                let _ = tell.try_send(());
            }
        });
    }
    Ok(told)
}

#[expect(clippy::disallowed_methods, reason = "a second signal asks to stop without finishing requests")]
fn end_at_once(kind: SignalKind) -> ! {
    output::complain("second signal: stopped immediately");
    std::process::exit(128 + kind.as_raw_value())
}

/// What work comes to, or nothing if it is told to stop before.
pub(super) async fn unless_told<T>(stop: &mut Receiver<()>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        _ = stop.recv() => None,
    }
}
