//! Work that is done only while a lease is held.

use std::time::Duration;
use tokio::sync::watch;

/// How often a sign of progress is given while there is nothing to do.
const SIGN_EVERY: Duration = Duration::from_secs(1);

/// Waits for something to do. Having nothing to do counts as progress.
pub(crate) async fn idle<T>(signs: &watch::Sender<()>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        signs.send_replace(());
        if let Ok(done) = tokio::time::timeout(SIGN_EVERY, &mut work).await {
            return done;
        }
    }
}

/// Returns when the log has gone to another generation: what its reader holds in memory is to be read again.
pub(crate) async fn renewed(mut generation: watch::Receiver<u64>) {
    if generation.changed().await.is_err() {
        // No sender is left.
        std::future::pending::<()>().await;
    }
}

/// Returns when a lease is no longer held under an epoch: nobody holds it here, or it was lost and taken again meanwhile,
/// by this node too. The receiver shows only the latest epoch, so the moment in between may never be seen.
pub(crate) async fn lost(lease: &mut watch::Receiver<Option<i64>>, epoch: i64) {
    let _ = lease.wait_for(|now| *now != Some(epoch)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    /// Whether work under epoch 7 ends when the lease shows these epochs, one after the other, before anybody looks.
    fn ends_after(epochs: &[Option<i64>]) -> bool {
        let (shown, mut lease) = watch::channel(Some(7));
        for epoch in epochs {
            shown.send_replace(*epoch);
        }
        lost(&mut lease, 7).now_or_never().is_some()
    }

    #[test]
    fn a_lease_is_lost_when_it_is_gone_and_when_it_has_another_epoch() {
        assert!(!ends_after(&[]));
        assert!(!ends_after(&[None, Some(7)]), "nobody else had it meanwhile: an epoch has one holder");
        assert!(ends_after(&[None]));
        assert!(ends_after(&[Some(8)]));
        assert!(ends_after(&[None, Some(9)]), "another node may have worked in between");
    }
}
