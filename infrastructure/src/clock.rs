//! The real clock and the real source of ids.

use application::ports::{Clock, Ids};
use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use std::time::Duration;
use uuid::Uuid;

/// Longest single sleep: after it the wall clock is asked again, since it may have been set.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(3)
    }

    async fn sleep_until(&self, moment: DateTime<Utc>) {
        // Against the full clock: one cut to milliseconds would wake a fraction too early or turn once more.
        while let Ok(left) = (moment - Utc::now()).to_std() {
            tokio::time::sleep(left.min(SLEEP_MAX)).await;
        }
    }
}

/// Version 7 ids: ordered by time.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeOrderedIds;

impl Ids for TimeOrderedIds {
    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
