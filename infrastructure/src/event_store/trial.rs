//! Whether a database that refused events takes them again.

use super::appender::Appender;
use super::batch::EncodedUnit;
use super::trouble::Trouble;
use crate::postgres::{Database, Known, WORKER_ROLE, options_for};
use application::caller::Source;
use application::ports::Unit;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Longest time of one try. A database that does not answer is told elsewhere.
const TRY_WITHIN: Duration = Duration::from_secs(2);
/// When the server ends what a try has left behind.
const TRIAL_STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// Tries whether the database takes events again: once at a time, for all who ask, by a connection of its own. Those of the
/// pools are for work, and a database that hangs would keep one of them for each who asks.
pub(super) struct Trial {
    options: PgConnectOptions,
    known: Arc<Known>,
    /// The last try. Nothing is ever sent: it is over when its sender is gone.
    last: Mutex<Option<watch::Receiver<()>>>,
}

impl Trial {
    pub(super) fn of(database: &Database) -> Self {
        let options = options_for(&database.options, "trial", database.node)
            .options([("statement_timeout", TRIAL_STATEMENT_TIMEOUT.as_millis().to_string())]);
        Self { options, known: Arc::clone(&database.known), last: Mutex::default() }
    }

    /// Returns once the trouble of an appender was tried lately.
    pub(super) async fn made(&self, appender: &Arc<Appender>) {
        if let Some(mut over) = self.under_way(appender) {
            while over.changed().await.is_ok() {}
        }
    }

    /// The try that is under way, begun if need be. It goes on if whoever began it no longer waits.
    fn under_way(&self, appender: &Arc<Appender>) -> Option<watch::Receiver<()>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(over) = last.as_ref().filter(|over| over.has_changed().is_ok()) {
            return Some(over.clone());
        }
        // Looked at while nobody else can begin one, so that nobody tries what was tried just now.
        if !appender.trouble.borrow().as_ref().is_some_and(Trouble::is_to_be_tried) {
            return None;
        }
        let (under_way, over) = watch::channel(());
        let (options, known, appender) = (self.options.clone(), Arc::clone(&self.known), Arc::downgrade(appender));
        tokio::spawn(async move {
            make(&options, &known, &appender).await;
            drop(under_way);
        });
        *last = Some(over.clone());
        Some(over)
    }
}

/// One try, and what it tells.
async fn make(options: &PgConnectOptions, known: &Known, appender: &Weak<Appender>) {
    let tried = tokio::time::timeout(TRY_WITHIN, async {
        // Why nobody is let in is told elsewhere.
        let Ok(mut connection) = connected(options, known).await else { return Ok(()) };
        takes_an_event(&mut connection).await?;
        // The function that appends may be missing; one that takes nothing takes the trouble away.
        if let Some(appender) = appender.upgrade() {
            let _ = appender.append(EncodedUnit::new(Unit::nothing(known.generation_now(), Source::Reaction))).await;
        }
        let _ = connection.close().await;
        Ok(())
    });
    let refused = match tried.await {
        Ok(Err(sqlx::Error::Database(refused))) => Some(Trouble::now(&refused.code().unwrap_or_default(), refused.message())),
        Ok(Ok(()) | Err(_)) | Err(_) => None,
    };
    let Some(appender) = appender.upgrade() else { return };
    appender.trouble.send_if_modified(|trouble| match (trouble, refused) {
        (Some(trouble), Some(refused)) => {
            *trouble = refused;
            true
        }
        (Some(trouble), None) => {
            trouble.at = Instant::now();
            true
        }
        // Something was taken meanwhile.
        (None, _) => false,
    });
}

async fn connected(options: &PgConnectOptions, known: &Known) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    known.prove(&mut connection, WORKER_ROLE).await?;
    Ok(connection)
}

/// Whether the table of events takes one: with a large one that is never committed, so that a disk without room is found out.
/// Its position is none of the log's.
async fn takes_an_event(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    sqlx::query(
        "INSERT INTO milepost.events \
           (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, payload, metadata, recorded_at) \
         SELECT -1 - (random() * 1e15)::bigint, id, '', id::text, 0, id, '', '1', \
           to_json((SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 4096))), '{}', now() \
         FROM (SELECT gen_random_uuid() AS id) AS made",
    )
    .execute(&mut *tx)
    .await?;
    tx.rollback().await
}
