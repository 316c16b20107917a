//! Where events come from.

use async_trait::async_trait;
use domain::event::Fact;
use std::error::Error;
use std::sync::Arc;
use tokio::sync::watch;

/// An error of reading the log: only its text is used here.
pub type ReadError = Arc<dyn Error + Send + Sync>;

/// Facts, and up to which position they are all.
#[derive(Debug, Clone)]
pub struct Stretch {
    pub facts: Vec<Arc<Fact>>,
    pub to: i64,
}

/// The log, as read models read it.
#[async_trait]
pub trait Log: Send + Sync {
    /// The facts after a position, in order, at most `limit`; fewer where they are large, none only if there are none.
    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Arc<Fact>>, ReadError>;

    /// The same, of some types only, up to and with another position.
    async fn after_of_types(&self, position: i64, until: i64, types: &[&'static str], limit: usize) -> Result<Stretch, ReadError>;

    /// Where the log ends, read from it or known by an append of this node.
    fn head(&self) -> watch::Receiver<i64>;

    /// Increases before anything is read from a database that may have lost data. Data read under an earlier generation
    /// must be read again.
    fn generation(&self) -> watch::Receiver<u64>;

    /// Its value now.
    fn head_now(&self) -> i64 {
        *self.head().borrow()
    }
}
