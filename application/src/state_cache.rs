//! The present state of aggregates, kept for a while.
//!
//! The cache can be stale but never wrong: an append proves the version it was decided on, and a refusal decided on a
//! cached state is proved before it is given. Where nothing would prove it, as where an event calls for no command, the state is
//! at least as new as that event. A version proves a state only of the log that it was read from, so states of an earlier
//! generation of the log are not used.

use crate::ports::{EventLog, LogError};
use cqrs_es::Aggregate;
use domain::event::{AggregateType, Event};
use domain::project::{Project, ProjectEvent};
use domain::rule::Rule;
use domain::schedule::{Schedule, ScheduleEvent};
use domain::task::{Task, TaskEvent};
use moka::sync::Cache;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Most bytes of states kept in memory: room for about 80,000 ordinary ones.
pub const STATES_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// About what a state takes beside its values.
const STATE_BYTES: usize = 256;

/// An aggregate that the executor can run.
pub(crate) trait Entity: Aggregate<Services = (), Error: Rule> + Clone + 'static {
    const KIND: AggregateType;

    fn event(event: Self::Event) -> Event;
    fn own_event(event: Event) -> Option<Self::Event>;
    fn to_cached(state: Arc<Self>) -> CachedState;
    fn from_cached(state: &CachedState) -> Option<Arc<Self>>;
}

/// A state of any kind.
#[derive(Clone)]
pub(crate) enum CachedState {
    Project(Arc<Project>),
    Task(Arc<Task>),
    Schedule(Arc<Schedule>),
}

macro_rules! entity {
    ($aggregate:ident, $event:ident) => {
        impl Entity for $aggregate {
            const KIND: AggregateType = AggregateType::$aggregate;

            fn event(event: $event) -> Event {
                Event::$aggregate(event)
            }

            fn own_event(event: Event) -> Option<$event> {
                if let Event::$aggregate(event) = event { Some(event) } else { None }
            }

            fn to_cached(state: Arc<Self>) -> CachedState {
                CachedState::$aggregate(state)
            }

            fn from_cached(state: &CachedState) -> Option<Arc<Self>> {
                if let CachedState::$aggregate(state) = state { Some(Arc::clone(state)) } else { None }
            }
        }
    };
}

entity!(Project, ProjectEvent);
entity!(Task, TaskEvent);
entity!(Schedule, ScheduleEvent);

/// A state at a version. Version 0 is an aggregate that is not there.
#[derive(Clone)]
pub(crate) struct Versioned<A> {
    pub(crate) id: Uuid,
    /// The generation of the log that it was read from.
    pub(crate) generation: u64,
    pub(crate) version: i64,
    pub(crate) state: Arc<A>,
    /// Whether it came from the cache and may be stale.
    pub(crate) cached: bool,
}

/// Loads and keeps states.
pub(crate) struct States {
    log: Arc<dyn EventLog>,
    cache: Cache<Uuid, Kept>,
    /// Turns to read long streams, shared with whoever else reads such.
    long: Arc<Semaphore>,
}

/// A state at a version, with about how many bytes it takes.
#[derive(Clone)]
struct Kept {
    state: CachedState,
    generation: u64,
    version: i64,
    bytes: u32,
}

impl States {
    pub(crate) fn new(log: Arc<dyn EventLog>, long: Arc<Semaphore>) -> Self {
        Self::with_room(log, long, STATES_BYTES_MAX)
    }

    fn with_room(log: Arc<dyn EventLog>, long: Arc<Semaphore>, bytes: u64) -> Self {
        Self { log, cache: Cache::builder().max_capacity(bytes).weigher(|_, kept: &Kept| kept.bytes).build(), long }
    }

    /// The state, from memory or else from the log. What is decided on it is to be proved.
    pub(crate) async fn get<A: Entity>(&self, id: Uuid) -> Result<Versioned<A>, LogError> {
        self.get_at_least(id, 0).await
    }

    /// The state at a version that the log is known to hold, or at a later one: for what is decided about an event without an
    /// append that would prove it.
    pub(crate) async fn get_at_least<A: Entity>(&self, id: Uuid, known: i64) -> Result<Versioned<A>, LogError> {
        let generation = *self.log.generation().borrow();
        let kept = self.cache.get(&id).filter(|kept| kept.generation == generation && kept.version >= known);
        if let Some(Kept { state, version, .. }) = kept
            && let Some(state) = A::from_cached(&state)
        {
            return Ok(Versioned { id, generation, version, state, cached: true });
        }
        let mut state = A::default();
        let mut version = 0;
        loop {
            // One of a single step is as short as any other read. Of those that turn out to be long, a few are read at a time.
            let _turn = if version > 0 { self.long.acquire().await.ok() } else { None };
            let step = self.log.stream(A::KIND, id, version).await?;
            for event in step.events {
                if let Some(event) = A::own_event(event) {
                    state.apply(event);
                }
                version += 1;
            }
            if !step.more {
                break;
            }
        }
        let loaded = Versioned { id, generation, version, state: Arc::new(state), cached: false };
        if version > 0 {
            self.put(&loaded);
        }
        Ok(loaded)
    }

    /// An aggregate that is believed not to be there yet; the append proves it.
    pub(crate) fn absent<A: Entity>(&self, id: Uuid) -> Versioned<A> {
        let generation = *self.log.generation().borrow();
        Versioned { id, generation, version: 0, state: Arc::new(A::default()), cached: false }
    }

    /// Keeps a state, unless a newer one is kept already.
    pub(crate) fn put<A: Entity>(&self, state: &Versioned<A>) {
        let bytes = bytes_of(&*state.state);
        let new = Kept { state: A::to_cached(Arc::clone(&state.state)), generation: state.generation, version: state.version, bytes };
        self.cache.entry(state.id).and_compute_with(|kept| match kept {
            Some(kept) if (kept.value().generation, kept.value().version) >= (new.generation, new.version) => moka::ops::compute::Op::Nop,
            Some(_) | None => moka::ops::compute::Op::Put(new),
        });
    }

    /// Forgets a state that turned out to be stale.
    pub(crate) fn forget(&self, id: Uuid) {
        self.cache.invalidate(&id);
    }
}

/// About how many bytes a state takes: as many as it has when written.
fn bytes_of(state: &impl Serialize) -> u32 {
    let mut counted = Counted(STATE_BYTES);
    // What cannot be written is none of the states there are.
    let _ = serde_json::to_writer(&mut counted, state);
    u32::try_from(counted.0).unwrap_or(u32::MAX)
}

/// Counts what is written, and forgets it.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryLog, node, project, send, task};
    use serde_json::json;

    /// How many of some tasks with a description of this many bytes are kept in a megabyte, and how much that is.
    async fn kept(tasks: usize, description: usize) -> (u64, u64) {
        let log = Arc::new(MemoryLog::default());
        let node = node(&log, 1);
        let project = project(&node, "APOLLO").await;
        let states = States::with_room(log, Arc::new(Semaphore::new(1)), 1024 * 1024);
        for number in 0..tasks {
            let id = task(&node, project, &format!("Task {number}")).await;
            send(&node, "taskUpdate", json!({ "id": id, "description": "x".repeat(description) })).await.expect("a description");
            states.get::<Task>(id).await.expect("the log answers");
            states.cache.run_pending_tasks();
        }
        (states.cache.entry_count(), states.cache.weighted_size())
    }

    #[tokio::test]
    async fn small_states_are_kept_and_of_large_ones_as_many_as_there_is_room_for() {
        let (entries, bytes) = kept(40, 10).await;
        assert!(entries == 40 && (40 * 300..40 * 2_000).contains(&bytes), "{entries} of {bytes} bytes");
        let (entries, bytes) = kept(40, 60_000).await;
        assert!((10..18).contains(&entries) && bytes <= 1024 * 1024, "{entries} of {bytes} bytes");
    }
}
