//! What read models are kept up to date with.

use crate::running::log::Log;
use crate::running::progress::Progress;
use crate::running::pulse::Pulse;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;

/// Pause before something is tried again that failed.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What a projection works with.
#[derive(Clone)]
pub struct Works {
    /// Connections that need not wait for the disk: rows and position are lost together, or neither is.
    pub pool: PgPool,
    pub log: Arc<dyn Log>,
    pub progress: Arc<Progress>,
    /// Most events in one batch.
    pub batch: usize,
    /// Most rows of groups that are in memory at once.
    pub group_rows: usize,
    /// Where signs of progress are given.
    pub pulse: Pulse,
    /// The lease under which rows are written, if it is done under one.
    pub fence: Option<Fence>,
}

/// The lease under which a batch is taken in. A node that lost it changes nothing any more, and what it has left open is ended
/// by the next holder, which finds it by an advisory lock on the lease's name.
#[derive(Debug, Clone)]
pub struct Fence {
    pub lease: String,
    pub epoch: i64,
}
