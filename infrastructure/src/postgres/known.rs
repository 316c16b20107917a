//! What this node knows of its database, and whether that can still be true.
//!
//! A node holds in memory where the log ends, its newest events, states of aggregates, and how far read models are. All of it
//! was true of the database as it was when it was read. A crash of PostgreSQL takes back what was committed without waiting for
//! the disk, a failover may take back the end of the log, and every connection dies with it. So each new connection proves
//! itself before it is used (`milepost.prove`). If the answer is not the one that is known, the *generation* goes up first, and
//! whatever was read under an earlier generation is not used any more: it is read again.

use super::log_error;
use application::ports::LogError;
use sqlx::{Error, Executor, Postgres, Row};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

/// How long it is told that the log went back.
pub const WENT_BACK_TOLD_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What this node knows of its database.
#[derive(Debug)]
pub struct Known {
    database: Mutex<AsProved>,
    generation: watch::Sender<u64>,
    head: watch::Sender<i64>,
}

/// The database as the last connection that told something new found it.
#[derive(Debug)]
struct AsProved {
    /// `None` until the first connection.
    proof: Option<String>,
    /// The newest event that is known to be in the log.
    newest: Option<(i64, Uuid)>,
    /// When the generation last went up.
    renewed: Instant,
    went_back: Option<(Instant, WentBack)>,
}

/// The log ended before an event that this node knew, or held another event in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WentBack {
    /// The position of the newest event that was known.
    pub known: i64,
    /// Where the log ended when that was found.
    pub head: i64,
}

impl fmt::Display for WentBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { known, head } = self;
        let lost = if known > head {
            format!("positions {} to {known} no longer exist", head + 1)
        } else {
            format!("the event at position {known} is a different one than before")
        };
        write!(f, "the log went back: {lost}; PostgreSQL was replaced by an older copy, and this node continues with the log as it is now")
    }
}

/// What is known when a connection is asked.
struct Asked {
    generation: u64,
    newest: Option<(i64, Uuid)>,
}

/// What the database said.
struct Said {
    proof: String,
    head: i64,
    newest: Option<(i64, Uuid)>,
    /// The event at the position that was known.
    known_event: Option<Uuid>,
}

impl Default for Known {
    fn default() -> Self {
        let database = AsProved { proof: None, newest: None, renewed: Instant::now(), went_back: None };
        Self { database: Mutex::new(database), generation: watch::Sender::new(0), head: watch::Sender::new(0) }
    }
}

impl Known {
    /// Lets a new connection take its role and prove itself, in one round trip. Gives the generation that it is of.
    pub(crate) async fn prove(&self, connection: impl Executor<'_, Database = Postgres>, role: &str) -> Result<u64, Error> {
        let asked = Asked { generation: self.generation_now(), newest: self.database().newest };
        let position = asked.newest.map_or(0, |(position, _)| position);
        let sql = format!("SET ROLE {role}; SELECT proof, head, head_event, known_event FROM milepost.prove({position})");
        let row = connection.fetch_one(sql.as_str()).await?;
        let (head, head_event): (i64, Option<Uuid>) = (row.try_get(1)?, row.try_get(2)?);
        let newest = head_event.map(|event| (head, event));
        let said = Said { proof: row.try_get(0)?, head, newest, known_event: row.try_get(3)? };
        self.heard(&asked, said)
            .ok_or_else(|| Error::Protocol("the database was restarted or replaced while this connection was being made".to_owned()))
    }

    /// Asks a database that is in use where its log ends, and whether it is still the same.
    pub(crate) async fn look(&self, connection: impl Executor<'_, Database = Postgres>, role: &str) -> Result<(), LogError> {
        metrics::counter!("milepost_log_looks_total").increment(1);
        self.prove(connection, role).await.map(|_| ()).map_err(log_error)
    }

    /// Compares an answer with what is known. `None` for an answer of a database that is not the current one any more.
    fn heard(&self, asked: &Asked, said: Said) -> Option<u64> {
        let mut database = self.database();
        let generation = self.generation_now();
        let same = database.proof.as_ref().is_none_or(|proof| *proof == said.proof);
        if generation != asked.generation && !same {
            return None;
        }
        let lost = asked.newest.filter(|(_, event)| generation == asked.generation && said.known_event != Some(*event));
        if same && lost.is_none() {
            database.proof = Some(said.proof);
            // What was asked earlier may have been read before the log lost its end.
            if generation == asked.generation {
                self.raise(&mut database, said.head, said.newest);
            }
            return Some(generation);
        }
        (database.proof, database.newest, database.renewed) = (Some(said.proof), said.newest, Instant::now());
        match lost.map(|(known, _)| WentBack { known, head: said.head }) {
            Some(lost) => {
                tracing::error!(log.known = lost.known, log.head = lost.head, "{lost}");
                database.went_back = Some((Instant::now(), lost));
            }
            None => tracing::warn!(log.head = said.head, "PostgreSQL was restarted or replaced; this node reads its state again"),
        }
        metrics::counter!("milepost_database_renewals_total").increment(1);
        self.head.send_if_modified(|head| std::mem::replace(head, said.head) != said.head);
        self.generation.send_modify(|generation| *generation += 1);
        Some(generation + 1)
    }

    /// An event of the log was seen by somebody who began under a generation.
    pub(crate) fn saw(&self, generation: u64, position: i64, event: Uuid) {
        let mut database = self.database();
        if generation == self.generation_now() {
            self.raise(&mut database, position, Some((position, event)));
        }
    }

    fn raise(&self, database: &mut AsProved, head: i64, newest: Option<(i64, Uuid)>) {
        if newest.map(|(position, _)| position) > database.newest.map(|(position, _)| position) {
            database.newest = newest;
        }
        self.head.send_if_modified(|known| std::mem::replace(known, head.max(*known)) < head);
    }

    /// Whether a connection of this age was made before the generation last went up.
    pub(crate) fn is_outdated(&self, age: Duration) -> bool {
        self.database().renewed.elapsed() < age
    }

    /// Goes up before anything of a database is used that may have lost something since.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    pub(crate) fn generation_now(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Where the log ends: read from it, or known by an append of this node.
    pub(crate) fn head(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// What the log lost, if that was found within [`WENT_BACK_TOLD_FOR`].
    pub fn went_back(&self) -> Option<WentBack> {
        let (found, went_back) = self.database().went_back?;
        (found.elapsed() < WENT_BACK_TOLD_FOR).then_some(went_back)
    }

    fn database(&self) -> MutexGuard<'_, AsProved> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn said(proof: &str, head: i64, known_event: Option<Uuid>) -> Said {
        let newest = (head > 0).then(|| (head, event(head as u128)));
        Said { proof: proof.to_owned(), head, newest, known_event }
    }

    fn asked(known: &Known) -> Asked {
        Asked { generation: known.generation_now(), newest: known.database().newest }
    }

    fn state(known: &Known) -> (u64, i64, Option<WentBack>) {
        (known.generation_now(), *known.head().borrow(), known.went_back())
    }

    /// Knows ten events of a database.
    fn ten() -> Known {
        let known = Known::default();
        assert_eq!(known.heard(&asked(&known), said("a", 10, None)), Some(0));
        known
    }

    #[test]
    fn the_same_database_raises_the_head_and_nothing_else() {
        let known = ten();
        known.saw(0, 12, event(12));
        assert_eq!(known.heard(&asked(&known), said("a", 15, Some(event(12)))), Some(0));
        // An answer that was on its way while more was appended.
        assert_eq!(known.heard(&Asked { generation: 0, newest: None }, said("a", 11, None)), Some(0));
        assert_eq!(state(&known), (0, 15, None));
    }

    #[test]
    fn another_life_of_the_database_is_another_generation_with_the_head_that_was_read() {
        let known = ten();
        assert_eq!(known.heard(&asked(&known), said("b", 10, Some(event(10)))), Some(1));
        assert_eq!(state(&known), (1, 10, None));
        known.saw(0, 99, event(99));
        assert_eq!(state(&known), (1, 10, None), "what an earlier generation saw is not believed");
        assert!(known.is_outdated(Duration::from_secs(1)) && !known.is_outdated(Duration::ZERO));
    }

    #[test]
    fn a_log_that_ends_earlier_or_holds_another_event_went_back() {
        let known = ten();
        assert_eq!(known.heard(&asked(&known), said("b", 4, None)), Some(1));
        assert_eq!(state(&known), (1, 4, Some(WentBack { known: 10, head: 4 })));
        let known = ten();
        assert_eq!(known.heard(&asked(&known), said("a", 20, Some(event(77)))), Some(1), "also on the same server");
        assert_eq!(state(&known), (1, 20, Some(WentBack { known: 10, head: 20 })));
    }

    #[test]
    fn a_late_answer_of_the_database_before_is_not_taken() {
        let known = ten();
        let before = asked(&known);
        assert_eq!(known.heard(&asked(&known), said("b", 4, None)), Some(1));
        assert_eq!(known.heard(&before, said("a", 10, Some(event(10)))), None);
        assert_eq!(known.heard(&before, said("b", 5, None)), Some(1), "the new one, asked for what was known before");
        assert_eq!(state(&known), (1, 4, Some(WentBack { known: 10, head: 4 })), "the next answer tells its head");
    }

    #[test]
    fn an_answer_that_was_read_before_the_log_went_back_does_not_raise_the_head_again() {
        let known = ten();
        let before = asked(&known);
        assert_eq!(known.heard(&asked(&known), said("a", 3, None)), Some(1));
        assert_eq!(known.heard(&before, said("a", 10, Some(event(10)))), Some(1));
        assert_eq!(state(&known), (1, 3, Some(WentBack { known: 10, head: 3 })));
    }
}
