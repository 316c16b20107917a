//! The relay's lease in the hands of an admin's command: no node relays meanwhile.

use super::limits::LEASE;
use crate::leases::{LEASE_LASTS, RENEW_EVERY};
use crate::postgres::{no_answer, within};
use sqlx::PgPool;
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longest wait for a renewal, so that the next one, on another connection, comes before the lease runs out.
const RENEWED_WITHIN: Duration = Duration::from_secs(2);

/// Takes the lease, whoever holds it, and renews it. Nodes notice within a second.
pub struct Hold {
    pool: PgPool,
    holder: Uuid,
    renewing: JoinHandle<()>,
}

impl Hold {
    /// Takes the lease.
    pub async fn take(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let (pool, holder) = (pool.clone(), Uuid::now_v7());
        within(take(&pool, holder)).await?;
        let renewing = tokio::spawn({
            let pool = pool.clone();
            async move {
                loop {
                    tokio::time::sleep(RENEW_EVERY).await;
                    let renewed = tokio::time::timeout(RENEWED_WITHIN, take(&pool, holder)).await;
                    if let Err(error) = renewed.unwrap_or_else(|_| Err(no_answer())) {
                        tracing::warn!(%error, "failed to renew the relay's lease");
                    }
                }
            }
        });
        Ok(Self { pool, holder, renewing })
    }

    /// Hands the lease back, so that a node can relay at once. Otherwise it runs out by itself.
    pub async fn release(self) {
        self.renewing.abort();
        let release = sqlx::query("UPDATE milepost.leases SET expires_at = '-infinity' WHERE name = $1 AND holder = $2");
        if let Err(error) = within(release.bind(LEASE).bind(self.holder).execute(&self.pool)).await {
            tracing::warn!(%error, "failed to release the relay's lease; it will expire");
        }
    }
}

async fn take(pool: &PgPool, holder: Uuid) -> Result<(), sqlx::Error> {
    let take = sqlx::query(
        "INSERT INTO milepost.leases AS held (name, holder, epoch, expires_at) VALUES ($1, $2, 1, clock_timestamp() + $3) \
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at, \
           epoch = held.epoch + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END",
    );
    take.bind(LEASE).bind(holder).bind(LEASE_LASTS).execute(pool).await.map(|_| ())
}
