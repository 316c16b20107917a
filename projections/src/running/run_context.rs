//! What keeping a read model up to date depends on.

use crate::running::heartbeat::Heartbeat;
use crate::running::log::Log;
use crate::running::progress::Progress;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;

/// Pause before something is tried again that failed.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The dependencies of a running read model.
#[derive(Clone)]
pub struct RunContext {
    /// Connections that need not wait for the disk: rows and position are lost together, or neither is.
    pub pool: PgPool,
    pub log: Arc<dyn Log>,
    pub progress: Arc<Progress>,
    /// Most events in one batch.
    pub batch: usize,
    /// Most rows of groups that are in memory at once.
    pub group_rows: usize,
    /// Where heartbeats are sent.
    pub heartbeat: Heartbeat,
    /// The lease under which rows are written, if it is done under one.
    pub fence: Option<Fence>,
}

/// The lease under which a batch is applied. A node that lost it changes nothing any more, and its open transactions
/// are ended by the next holder, which finds them by an advisory lock on the lease's name.
#[derive(Debug, Clone)]
pub struct Fence {
    pub lease: String,
    pub epoch: i64,
}
