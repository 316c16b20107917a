//! Time that tests move: months pass at once.

use application::ports::Clock;
use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::sync::watch;

/// A clock that stands still until it is moved.
pub struct MovedClock {
    now: watch::Sender<DateTime<Utc>>,
}

impl MovedClock {
    /// Standing at a moment.
    pub fn at(moment: DateTime<Utc>) -> Self {
        Self { now: watch::Sender::new(moment.trunc_subsecs(3)) }
    }

    /// Moves to a moment, forward or back.
    pub fn set(&self, moment: DateTime<Utc>) {
        self.now.send_replace(moment.trunc_subsecs(3));
    }

    /// Moves forward.
    pub fn pass(&self, time: TimeDelta) {
        self.now.send_modify(|now| *now += time);
    }
}

#[async_trait]
impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.borrow()
    }

    async fn sleep_until(&self, moment: DateTime<Utc>) {
        let _ = self.now.subscribe().wait_for(|now| *now >= moment).await;
    }
}
