//! Why the database takes no events, and whether it does again.

use crate::postgres::{refusal_advice, within};
use sqlx::PgPool;
use std::time::{Duration, Instant};

/// How long after the last refusal it is tried whether the cause is gone. Whoever asks does so as often as they like.
const TRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal that says nothing about what was to be appended.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// When the database was last asked.
    pub(super) at: Instant,
    /// Its words, and what to do.
    pub(super) why: String,
}

impl Trouble {
    pub(super) fn now(code: &str, message: &str) -> Self {
        Self { at: Instant::now(), why: format!("{message}; {}", refusal_advice(code)) }
    }

    pub(super) fn is_to_be_tried(&self) -> bool {
        self.at.elapsed() >= TRY_AFTER
    }
}

/// Whether the table of events takes one: with a large one that is never committed, so that a disk without room is found out.
/// Its position is none of the log's.
pub(super) async fn takes_an_event(pool: &PgPool) -> Result<(), sqlx::Error> {
    within(async {
        let mut tx = pool.begin().await?;
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
    })
    .await
}
