//! Brings every event to Kafka exactly once, in order.
//!
//! One relay at a time, fenced twice: by its lease, and by Kafka itself through the transactional id. A transaction
//! holds a batch of events and the relay's record after them; whoever takes over reads the record back, compares it with the
//! log, and continues there, or refuses where the two do not agree. When the outcome of a commit is unknown, the producer is
//! thrown away and the record read again: it tells.
//!
//! Transaction calls block, so the relay has a thread of its own.

mod batch;
mod checkpoint;
pub mod dead_letters;
mod error;
mod evidence;
mod hold;
mod leftovers;
mod limits;
mod partitions;
mod position;
mod record;
mod refusal;
mod resume;
mod session;
mod sides;
mod state;
mod stopped;
mod takeover;
mod transaction;

pub use checkpoint::{Known, forget, known};
pub use error::RelayError;
pub use evidence::{Evidence, Examined, Setting, examine, topic_setting};
pub use hold::Hold;
pub use limits::{BATCH_EVENTS_MAX, BROKERS_TIMEOUT, CHECKPOINT, CLEANUP_POLICY, COMMIT_GAP, LEASE, REEXAMINE_EVERY};
pub use partitions::{OpenRecords, last_of_log_seen, open_records};
pub use position::read_record;
pub use record::{RelayRecord, Stored};
pub use refusal::{REASONS, Refusal, Sent};
pub use resume::{Fence, resume};
pub use sides::LogSide;
pub use state::{RelayState, Trouble};
#[doc(hidden)]
pub use transaction::FAILPOINT;

use super::catalogue::Catalogue;
use crate::config::Kafka;
use application::ports::EventLog;
use sqlx::PgPool;
use state::Teller;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;

const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Before a session that follows one in which only the relay's place had moved.
const LOOK_AGAIN_PAUSE: Duration = Duration::from_millis(100);
/// A session that lasted longer is none of those in a row.
const STEADY: Duration = Duration::from_secs(10);
/// So many times in a row that is told.
const LOOK_AGAIN_TIMES: u32 = 20;
/// So many times in a row another producer must have taken the transactional id while this node held the lease before that
/// is told: a node that was frozen learns that it is fenced before it learns that it has lost the lease.
const FENCED_TIMES: u32 = 3;

/// What the relay works with.
pub struct Relay {
    pub kafka: Kafka,
    pub catalogue: Arc<Catalogue>,
    pub log: Arc<dyn EventLog>,
    pub pool: PgPool,
    pub lease: watch::Receiver<Option<i64>>,
    /// Where it gives signs of progress: events were sent or read back, there is nothing to send, or there is nothing that it
    /// may send.
    pub signs: watch::Sender<()>,
    pub stop: watch::Receiver<bool>,
}

/// The relay's thread, and how it is doing.
pub struct Running {
    pub state: watch::Receiver<RelayState>,
    thread: std::thread::JoinHandle<()>,
}

impl Running {
    /// Returns when the relay has stopped. It does so when told, and then finishes the transaction it is in.
    pub async fn stopped(self) {
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}

impl Relay {
    /// Starts the thread.
    pub fn start(self) -> std::io::Result<Running> {
        let teller = Arc::new(Teller::new(self.lease.clone()));
        let (state, runtime) = (teller.watch(), Handle::current());
        tokio::spawn(state::show(self.pool.clone(), self.log.head(), Arc::clone(&teller)));
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(move || self.run(&runtime, &teller))?;
        Ok(Running { state, thread })
    }

    fn run(self, runtime: &Handle, teller: &Teller) {
        let (mut most, mut fenced, mut looked) = (BATCH_EVENTS_MAX, 0, 0);
        while let Some(epoch) = self.wait_for_lease(runtime) {
            let (before, begun) = (most, Instant::now());
            let Err(error) = self.session(runtime, epoch, teller, &mut most) else { continue };
            if begun.elapsed() > STEADY {
                (fenced, looked) = (0, 0);
            }
            fenced = if error.is_fenced() { fenced + 1 } else { 0 };
            looked = if matches!(error, RelayError::LookAgain) { looked + 1 } else { 0 };
            let pause = match error {
                RelayError::LookAgain if looked < LOOK_AGAIN_TIMES => LOOK_AGAIN_PAUSE,
                // Fewer are tried at once until the one that stands in the way is alone.
                RelayError::SomeRecord { .. } | RelayError::Event { .. } if most < before => continue,
                error if (1..FENCED_TIMES).contains(&fenced) => {
                    tracing::info!(%error, "another producer has taken over the relay's transactional id; looking whether this node still relays");
                    RETRY_PAUSE
                }
                error => self.tell(runtime, teller, error),
            };
            self.pause(runtime, pause);
        }
    }

    /// Says why nothing is sent, and gives how long to wait before the next try.
    fn tell(&self, runtime: &Handle, teller: &Teller, error: RelayError) -> Duration {
        let told = match error {
            RelayError::Refused(refusal) => {
                if let Err(error) = runtime.block_on(checkpoint::note_refusal(&self.pool, &refusal)) {
                    tracing::debug!(%error, "failed to record why the relay stopped");
                }
                self.signs.send_replace(());
                teller.trouble(Trouble::Refuses(refusal));
                return REEXAMINE_EVERY;
            }
            RelayError::Event { position, cause } => runtime.block_on(self.stopped_before(position, cause)),
            error => Err(error),
        };
        if told.is_ok() {
            self.signs.send_replace(());
        }
        teller.trouble(told.unwrap_or_else(|error| Trouble::Stuck(error.sentence(&self.kafka))));
        RETRY_PAUSE
    }

    /// The epoch of the lease; `None` when told to stop.
    fn wait_for_lease(&self, runtime: &Handle) -> Option<i64> {
        let (mut lease, mut stop) = (self.lease.clone(), self.stop.clone());
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => None,
                held = lease.wait_for(Option::is_some) => held.ok().and_then(|epoch| *epoch),
            }
        })
    }

    fn pause(&self, runtime: &Handle, pause: Duration) {
        let mut stop = self.stop.clone();
        let _ = runtime.block_on(async { tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() });
    }

    /// A session is of one epoch of the lease, since another node may have relayed in between, and of one generation of the
    /// log: its position and what it has read ahead are read again after that.
    fn may_continue(&self, epoch: i64, generation: &watch::Receiver<u64>) -> bool {
        *self.lease.borrow() == Some(epoch) && !*self.stop.borrow() && !generation.has_changed().unwrap_or(true)
    }
}
