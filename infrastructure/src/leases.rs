//! Who does what only one node may do at a time.
//!
//! A node keeps asking for all the leases it wants in one statement; it gets those that nobody holds. A node that dies
//! loses them when they run out. Each new holder has a higher epoch, which fences the one before, and ends the transactions
//! that the one before has left open: those of a process that was stopped would keep their locks.
//!
//! A lease is renewed by progress. Its worker gives a sign whenever it got further, and every second while it has nothing to
//! do. Without a sign for [`PROGRESS_WITHIN`] the lease is released, and what the worker was doing is dropped with its
//! connections: they may have died without a word. Another node may take it then. The patience doubles each time, so that
//! work which no node gets done makes a lease change hands ever less often.

use crate::postgres::{Database, READ_ONLY, no_answer};
use sqlx::{Executor, PgPool};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a lease lasts without being renewed.
pub const LEASE_LASTS: Duration = Duration::from_secs(5);
/// How often leases are renewed and asked for.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);
/// Longest time without a sign of progress until a lease is released, unless its worker says otherwise.
pub const PROGRESS_WITHIN: Duration = Duration::from_secs(5);
/// The patience doubles up to this, as long as there is no progress.
pub const PROGRESS_WITHIN_MAX: Duration = Duration::from_secs(300);
/// How long a node that released a lease leaves it to others.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(3);
/// How long before its end a lease that could not be renewed is given up.
const SAFETY: Duration = Duration::from_millis(1_500);
/// Longest wait for one statement about leases.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The first key of the advisory locks that transactions under a lease hold; the second is made of the lease's name.
const LEASE_LOCKS: &str = "milepost lease";

/// Ends all leases. Only for a node that knows that it is alone on its database: those of before it have died.
pub async fn end_all(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE milepost.leases SET expires_at = '-infinity'").execute(pool).await.map(|_| ())
}

/// Whether some node holds a lease at the moment.
pub async fn is_held(pool: &PgPool, name: &str) -> Result<bool, sqlx::Error> {
    let held = sqlx::query_scalar("SELECT EXISTS (SELECT FROM milepost.leases WHERE name = $1 AND expires_at > clock_timestamp())");
    held.bind(name).fetch_one(pool).await
}

/// Wants leases, and tells who is interested whether they are held.
pub struct LeaseKeeper {
    pool: PgPool,
    holder: Uuid,
    wanted: HashMap<String, Wanted>,
    checkpoints: Vec<Checkpoint>,
    refused: watch::Sender<Option<WritesRefused>>,
}

/// A lease for the worker that wants it.
pub struct Lease {
    /// Its epoch while it is held.
    pub held: watch::Receiver<Option<i64>>,
    /// Where the worker gives signs of progress.
    pub signs: watch::Sender<()>,
}

/// Since when and why the database accepts no statement about leases. They are writes, and sent every second.
#[derive(Debug, Clone)]
pub struct WritesRefused {
    pub since: Instant,
    pub cause: RefusalCause,
}

/// Why the database accepts no writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalCause {
    /// The server is a standby of another one.
    Standby,
    /// Transactions are read-only by a setting.
    ReadOnly,
    /// Anything else, in the words of the server.
    Other(String),
}

struct Wanted {
    epoch: watch::Sender<Option<i64>>,
    progress: Option<Progress>,
}

/// The position up to which a worker has done its work, as the database holds it.
struct Checkpoint {
    name: String,
    position: i64,
    signs: watch::Sender<()>,
}

/// What is known of a worker's progress.
struct Progress {
    signs: watch::Receiver<()>,
    /// When there was a sign last, or when the lease was taken.
    last: Instant,
    /// The shortest patience, and the one that counts now.
    patience: (Duration, Duration),
    /// Until when the lease is left to others.
    left_until: Option<Instant>,
}

impl Progress {
    /// Whether a worker that holds its lease has shown no progress for too long. It has to give the lease up then.
    fn is_missing(&mut self, held: bool, now: Instant) -> bool {
        let (first, current) = self.patience;
        let sign = self.signs.has_changed().unwrap_or(false);
        if sign {
            self.signs.mark_unchanged();
            self.patience.1 = first;
        }
        if sign || !held {
            self.last = now;
        }
        if now - self.last <= current {
            return false;
        }
        self.patience.1 = (current * 2).min(PROGRESS_WITHIN_MAX).max(first);
        self.left_until = Some(now + LEFT_TO_OTHERS);
        true
    }
}

impl Wanted {
    /// Whether it is to be asked for.
    fn is_asked_for(&self, now: Instant) -> bool {
        self.progress.as_ref().and_then(|progress| progress.left_until).is_none_or(|until| until <= now)
    }
}

impl LeaseKeeper {
    /// A keeper for a node.
    pub fn new(database: &Database) -> Self {
        Self {
            pool: database.leases.clone(),
            holder: database.node,
            wanted: HashMap::new(),
            checkpoints: vec![],
            refused: watch::Sender::new(None),
        }
    }

    /// Wants a lease that is renewed as long as this node can. The receiver shows its epoch while it is held.
    pub fn want(&mut self, name: impl Into<String>) -> watch::Receiver<Option<i64>> {
        let wanted = self.wanted.entry(name.into());
        wanted.or_insert_with(|| Wanted { epoch: watch::Sender::new(None), progress: None }).epoch.subscribe()
    }

    /// Wants a lease that is renewed by progress, of which there must be a sign within `patience`.
    pub fn want_by_progress(&mut self, name: impl Into<String>, patience: Duration) -> Lease {
        let name = name.into();
        let held = self.want(name.clone());
        let signs = watch::Sender::new(());
        let progress = Progress { signs: signs.subscribe(), last: Instant::now(), patience: (patience, patience), left_until: None };
        if let Some(wanted) = self.wanted.get_mut(&name) {
            wanted.progress = Some(progress);
        }
        Lease { held, signs }
    }

    /// The same for a worker whose checkpoint tells of its progress as well: it moves, or is at the end of the log.
    pub fn want_by_checkpoint(&mut self, name: impl Into<String>, checkpoint: &str, patience: Duration) -> Lease {
        let lease = self.want_by_progress(name, patience);
        self.checkpoints.push(Checkpoint { name: checkpoint.to_owned(), position: 0, signs: lease.signs.clone() });
        lease
    }

    /// Whether the database accepts no writes.
    pub fn refused(&self) -> watch::Receiver<Option<WritesRefused>> {
        self.refused.subscribe()
    }

    /// Renews and asks until told to stop, then hands everything back.
    pub async fn run(mut self, stop: watch::Receiver<bool>) {
        let safe_until = watch::Sender::new(Instant::now());
        let epochs = self.epochs();
        tokio::select! {
            () = self.renew(stop, &safe_until) => {}
            () = give_up_in_time(&epochs, safe_until.subscribe()) => {}
        }
        self.tell(&HashMap::new());
        if let Err(error) = in_time(self.hand_back()).await {
            tracing::warn!(%error, "failed to release leases; they will expire");
        }
    }

    /// Renews and asks until told to stop, and says until when it is safe to act on the answer. Whatever it waits for meanwhile,
    /// [`give_up_in_time`] runs beside it.
    async fn renew(&mut self, mut stop: watch::Receiver<bool>, safe_until: &watch::Sender<Instant>) {
        loop {
            self.release_what_is_stuck().await;
            // Counted from before the question: the server's clock began no later.
            let safe = Instant::now() + (LEASE_LASTS - SAFETY);
            match self.ask().await {
                Ok(held) => {
                    safe_until.send_replace(safe);
                    // At once: the transactions of others may take a while to end, and who lost a lease is not to go on meanwhile.
                    self.tell_losses(&held);
                    self.end_transactions_of_others(&held).await;
                    // What took too long is asked for again.
                    if Instant::now() < safe {
                        self.tell(&held);
                    }
                    self.refused.send_if_modified(|refused| refused.take().is_some());
                }
                Err(error) => self.not_renewed(&error).await,
            }
            // Not so long that the next renewal is late.
            let looked = tokio::time::timeout(RENEW_EVERY, self.look_at_checkpoints()).await.unwrap_or_else(|_| Err(no_answer()));
            if let Err(error) = looked {
                tracing::debug!(%error, "failed to read checkpoints");
            }
            tokio::select! {
                () = tokio::time::sleep(RENEW_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Asks for everything.
    async fn ask(&self) -> Result<HashMap<String, i64>, sqlx::Error> {
        let now = Instant::now();
        let mut names: Vec<&str> =
            self.wanted.iter().filter(|(_, wanted)| wanted.is_asked_for(now)).map(|(name, _)| name.as_str()).collect();
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
        let answer: Vec<(String, i64)> = in_time(ask).await?;
        Ok(answer.into_iter().collect())
    }

    /// Says why leases were not renewed, here and to whoever asks for the health of the node.
    async fn not_renewed(&self, error: &sqlx::Error) {
        tracing::warn!(%error, "failed to renew leases");
        let code = match error {
            sqlx::Error::Database(refused) => refused.code(),
            _ => None,
        };
        let cause = match code.as_deref() {
            Some(READ_ONLY) => self.why_read_only().await,
            Some(_) | None => None,
        };
        let cause = cause.unwrap_or_else(|| RefusalCause::Other(error.to_string()));
        self.refused.send_modify(|refused| {
            let since = refused.as_ref().map_or_else(Instant::now, |refused| refused.since);
            *refused = Some(WritesRefused { since, cause });
        });
    }

    /// Why a server that refused a write takes none, if it says so.
    async fn why_read_only(&self) -> Option<RefusalCause> {
        let ask = sqlx::query_as("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool").fetch_one(&self.pool);
        match in_time(ask).await {
            Ok((true, _)) => Some(RefusalCause::Standby),
            Ok((false, true)) => Some(RefusalCause::ReadOnly),
            Ok((false, false)) | Err(_) => None,
        }
    }

    /// What is told of each lease.
    fn epochs(&self) -> Vec<(String, watch::Sender<Option<i64>>)> {
        self.wanted.iter().map(|(name, wanted)| (name.clone(), wanted.epoch.clone())).collect()
    }

    /// Tells which leases are no longer held as they were.
    fn tell_losses(&self, held: &HashMap<String, i64>) {
        for (name, wanted) in &self.wanted {
            let now = *wanted.epoch.borrow();
            if now.is_some() && now != held.get(name).copied() {
                tell_epoch(name, &wanted.epoch, None);
            }
        }
    }

    fn tell(&self, held: &HashMap<String, i64>) {
        for (name, wanted) in &self.wanted {
            tell_epoch(name, &wanted.epoch, held.get(name).copied());
        }
    }

    /// Gives signs for the workers whose checkpoints tell of progress.
    async fn look_at_checkpoints(&mut self) -> Result<(), sqlx::Error> {
        if self.checkpoints.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.checkpoints.iter().map(|checkpoint| checkpoint.name.as_str()).collect();
        let look = sqlx::query_as(
            "SELECT coalesce(position, 0), coalesce((SELECT max(position) FROM milepost.events), 0) \
             FROM unnest($1::text[]) WITH ORDINALITY AS named(name, n) LEFT JOIN milepost.checkpoints USING (name) ORDER BY n",
        )
        .bind(names)
        .fetch_all(&self.pool);
        let found: Vec<(i64, i64)> = look.await?;
        for (checkpoint, (position, head)) in self.checkpoints.iter_mut().zip(found) {
            if std::mem::replace(&mut checkpoint.position, position) != position || position >= head {
                checkpoint.signs.send_replace(());
            }
        }
        Ok(())
    }

    /// Releases the leases whose workers show no progress, and drops what these are doing.
    async fn release_what_is_stuck(&mut self) {
        let now = Instant::now();
        let mut stuck: Vec<&str> = vec![];
        for (name, wanted) in &mut self.wanted {
            let held = wanted.epoch.borrow().is_some();
            if wanted.progress.as_mut().is_some_and(|progress| progress.is_missing(held, now)) {
                tracing::warn!(lease.name = name, "no progress although there is work; releasing the lease and closing the connections");
                metrics::counter!("milepost_leases_released_total").increment(1);
                wanted.epoch.send_replace(None);
                stuck.push(name);
            }
        }
        if stuck.is_empty() {
            return;
        }
        // Without a holder, so that whoever takes it next has a higher epoch, also if that is this node.
        let release = sqlx::query(
            "UPDATE milepost.leases SET expires_at = '-infinity', holder = '00000000-0000-0000-0000-000000000000' \
             WHERE holder = $1 AND name = ANY($2)",
        )
        .bind(self.holder)
        .bind(&stuck)
        .execute(&self.pool);
        if let Err(error) = in_time(release).await {
            tracing::warn!(%error, "failed to release leases; they will expire");
        }
    }

    /// Ends the transactions under leases that were just taken: they are of whoever held these before.
    async fn end_transactions_of_others(&self, held: &HashMap<String, i64>) {
        let is_taken = |name: &str, epoch: i64| epoch > 1 && self.wanted.get(name).is_some_and(|one| *one.epoch.borrow() != Some(epoch));
        let taken: Vec<&str> = held.iter().filter(|(name, epoch)| is_taken(name, **epoch)).map(|(name, _)| name.as_str()).collect();
        if taken.is_empty() {
            return;
        }
        match in_time(end_transactions(&self.pool, &taken)).await {
            Ok(ended) if ended.is_empty() => {}
            Ok(ended) => tracing::warn!(pids = ?ended, "open transactions of the previous lease holder were ended"),
            Err(error) => {
                tracing::warn!(%error, "failed to end transactions of the previous lease holder; the server ends them after a timeout");
            }
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

fn tell_epoch(name: &str, told: &watch::Sender<Option<i64>>, epoch: Option<i64>) {
    told.send_if_modified(|now| {
        if *now != epoch {
            tracing::debug!(lease.name = name, lease.epoch = epoch, "a lease changed its holder");
        }
        std::mem::replace(now, epoch) != epoch
    });
}

/// Tells that nothing is held as soon as that is no longer safe, until a renewal says that it is. Never returns.
async fn give_up_in_time(epochs: &[(String, watch::Sender<Option<i64>>)], mut safe_until: watch::Receiver<Instant>) {
    loop {
        let until = *safe_until.borrow_and_update();
        if tokio::time::timeout_at(until, safe_until.changed()).await.is_ok() {
            continue;
        }
        for (name, epoch) in epochs {
            tell_epoch(name, epoch, None);
        }
        if safe_until.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for a statement about leases no longer than is of use.
async fn in_time<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(ANSWER_WITHIN, statement).await.unwrap_or_else(|_| Err(no_answer()))
}

/// Ends the server processes that have a transaction open under one of these leases. Gives their ids.
async fn end_transactions(pool: &PgPool, leases: &[&str]) -> Result<Vec<i32>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    // A login may end what it has begun itself; the role that this connection has taken may not.
    tx.execute("SET LOCAL ROLE NONE").await?;
    let ended = sqlx::query_scalar(
        "WITH left_open AS MATERIALIZED ( \
           SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND pid <> pg_backend_pid() \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND classid = hashtext($1)::oid AND objid = ANY (SELECT hashtext(n)::oid FROM unnest($2::text[]) AS n)) \
         SELECT pid FROM left_open WHERE pg_terminate_backend(pid)",
    )
    .bind(LEASE_LOCKS)
    .bind(leases)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_is_left_without_progress_and_each_time_later() {
        let signs = watch::Sender::new(());
        let start = Instant::now();
        let mut progress =
            Progress { signs: signs.subscribe(), last: start, patience: (PROGRESS_WITHIN, PROGRESS_WITHIN), left_until: None };
        let second = |number: u32| start + SECOND * number;
        let missing_after = |progress: &mut Progress, from: u32| {
            assert!(!progress.is_missing(false, second(from)), "it is not held");
            (1..1_000).find(|passed| progress.is_missing(true, second(from + passed)))
        };
        assert_eq!(missing_after(&mut progress, 100), Some(6));
        assert!(progress.left_until.is_some_and(|until| until == second(106) + LEFT_TO_OTHERS));
        assert_eq!(missing_after(&mut progress, 200), Some(11), "twice as patient");
        assert_eq!([missing_after(&mut progress, 300), missing_after(&mut progress, 400)], [Some(21), Some(41)]);
        for _ in 0..5 {
            missing_after(&mut progress, 1_000);
        }
        assert_eq!(missing_after(&mut progress, 3_000), Some(301), "no more than the most");
        signs.send_replace(());
        assert_eq!(missing_after(&mut progress, 5_000), Some(6), "there was progress in between");
        for passed in 0..100 {
            signs.send_replace(());
            assert!(!progress.is_missing(true, second(6_000 + passed)), "there is progress");
        }
    }

    /// Longest wait for what a test waits for.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A keeper whose database takes connections and never says anything, which holds leases under epoch 1.
    fn in_silence(database: &std::net::TcpListener) -> (LeaseKeeper, [watch::Receiver<Option<i64>>; 2]) {
        let address = database.local_addr().expect("an address");
        let options = crate::postgres::connect_options(&format!("postgres://nobody@{address}/none")).expect("a URL");
        let pool = sqlx::postgres::PgPoolOptions::new().connect_lazy_with(options);
        let (holder, refused) = (Uuid::nil(), watch::Sender::new(None));
        let mut keeper = LeaseKeeper { pool, holder, wanted: HashMap::new(), checkpoints: vec![], refused };
        let held = [keeper.want("one"), keeper.want_by_checkpoint("stuck", "checkpoint", Duration::ZERO).held];
        keeper.tell(&HashMap::from([("one".to_owned(), 1), ("stuck".to_owned(), 1)]));
        (keeper, held)
    }

    #[tokio::test]
    async fn a_lease_is_given_up_in_time_whatever_the_keeper_waits_for() {
        let database = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let (mut keeper, [mut one, stuck]) = in_silence(&database);
        let (_stop, stop) = watch::channel(false);
        let until = Instant::now() + ANSWER_WITHIN / 4;
        let safe_until = watch::Sender::new(until);
        let epochs = keeper.epochs();
        tokio::select! {
            // It releases what is stuck first of all, and that takes longer.
            () = keeper.renew(stop, &safe_until) => unreachable!("nobody stops it"),
            () = give_up_in_time(&epochs, safe_until.subscribe()) => unreachable!("it never ends"),
            gone = one.wait_for(Option::is_none) => drop(gone.expect("the keeper lives")),
            () = tokio::time::sleep(PATIENCE) => panic!("it is not given up"),
        }
        let late = Instant::now() - until;
        assert!(late < ANSWER_WITHIN / 2, "{late:?} too late");
        assert_eq!(*stuck.borrow(), None);
    }

    #[tokio::test]
    async fn a_renewal_puts_off_the_moment_at_which_leases_are_given_up() {
        let epoch = watch::Sender::new(Some(1));
        let safe_until = watch::Sender::new(Instant::now() + SECOND);
        let (epochs, mut held) = ([("one".to_owned(), epoch.clone())], epoch.subscribe());
        let watching = give_up_in_time(&epochs, safe_until.subscribe());
        tokio::pin!(watching);
        for tenths in 1..=3 {
            let until = Instant::now() + SECOND * tenths / 10;
            safe_until.send_replace(until);
            epoch.send_replace(Some(1));
            tokio::select! {
                () = &mut watching => unreachable!("it never ends"),
                gone = held.wait_for(Option::is_none) => drop(gone.expect("it lives")),
                () = tokio::time::sleep(PATIENCE) => panic!("it is not given up"),
            }
            assert!(Instant::now() >= until, "too soon");
        }
    }
}
