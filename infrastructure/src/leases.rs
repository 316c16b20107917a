//! Who does what only one node may do at a time.
//!
//! A node keeps asking for all the leases it wants in one statement; it gets those that nobody holds. A node that dies
//! loses them when they run out. Each new holder has a higher epoch, which fences the one before.

use sqlx::PgPool;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a lease lasts without being renewed.
pub const LEASE_LASTS: Duration = Duration::from_secs(5);
/// How often leases are renewed and asked for.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long before its end a lease that could not be renewed is given up.
const SAFETY: Duration = Duration::from_millis(1_500);

/// Ends all leases. Only for a node that knows that it is alone on its database: those of before it have died.
pub async fn end_all(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE milepost.leases SET expires_at = '-infinity'").execute(pool).await.map(|_| ())
}

/// Wants leases, and tells who is interested whether they are held.
pub struct LeaseKeeper {
    pool: PgPool,
    holder: Uuid,
    wanted: HashMap<String, watch::Sender<Option<i64>>>,
}

impl LeaseKeeper {
    /// A keeper of its own name.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, holder: Uuid::now_v7(), wanted: HashMap::new() }
    }

    /// Wants a lease. The receiver shows its epoch while it is held.
    pub fn want(&mut self, name: impl Into<String>) -> watch::Receiver<Option<i64>> {
        self.wanted.entry(name.into()).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    /// Renews and asks until told to stop, then hands everything back.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut safe_until = Instant::now();
        loop {
            // Counted from before the question: the server's clock began no later.
            let asked = Instant::now();
            match self.ask(safe_until).await {
                Ok(held) => {
                    safe_until = asked + (LEASE_LASTS - SAFETY);
                    self.tell(&held);
                }
                Err(error) => tracing::warn!(%error, "leases could not be renewed"),
            }
            tokio::select! {
                () = tokio::time::sleep(RENEW_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        self.tell(&HashMap::new());
        if let Err(error) = self.hand_back().await {
            tracing::warn!(%error, "leases could not be handed back; they run out by themselves");
        }
    }

    /// Asks for everything. Gives up what is held as soon as it is no longer safe, also while the answer is awaited.
    async fn ask(&self, safe_until: Instant) -> Result<HashMap<String, i64>, sqlx::Error> {
        let mut names: Vec<&str> = self.wanted.keys().map(String::as_str).collect();
        // All nodes lock the rows in one order.
        names.sort_unstable();
        let ask = sqlx::query_as(
            "INSERT INTO milepost.leases AS held (name, holder, epoch, expires_at) \
             SELECT n, $2, 1, clock_timestamp() + $3 FROM unnest($1::text[]) AS n \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at, \
               epoch = held.epoch + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END \
             WHERE held.holder = excluded.holder OR held.expires_at < clock_timestamp() RETURNING name, epoch",
        )
        .bind(names)
        .bind(self.holder)
        .bind(LEASE_LASTS)
        .fetch_all(&self.pool);
        let ask = tokio::time::timeout(RENEW_EVERY * 2, ask);
        tokio::pin!(ask);
        let answer = tokio::select! {
            answer = &mut ask => answer,
            () = tokio::time::sleep_until(safe_until) => {
                self.tell(&HashMap::new());
                ask.await
            }
        };
        let held: Vec<(String, i64)> = answer.map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(held.into_iter().collect())
    }

    fn tell(&self, held: &HashMap<String, i64>) {
        for (name, sender) in &self.wanted {
            let epoch = held.get(name).copied();
            sender.send_if_modified(|now| {
                if *now != epoch {
                    tracing::debug!(lease.name = name, lease.epoch = epoch, "a lease changed hands");
                }
                std::mem::replace(now, epoch) != epoch
            });
        }
    }

    async fn hand_back(&self) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE milepost.leases SET expires_at = '-infinity' WHERE holder = $1")
            .bind(self.holder)
            .execute(&self.pool)
            .await
            .map(|_| ())
    }
}
