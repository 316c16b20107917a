//! Work that is done only while a lease is held.

use tokio::sync::watch;

/// Returns when a lease is no longer held. The receiver shows its epoch while it is.
pub(crate) async fn lost(lease: &mut watch::Receiver<Option<i64>>) {
    let _ = lease.wait_for(Option::is_none).await;
}
