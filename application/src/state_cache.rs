//! A cache of the present states of aggregates.
//!
//! A cached state can be stale but a decision never is: an append proves the version that it was decided on, and a refusal decided
//! on a cached state is proved before it is returned. Where no append would prove it, as where an event needs no command, the state
//! is at least as new as that event. A version proves a state only for the log that it was read from, so states of an earlier
//! generation of the log are not used.

use crate::ports::{EventLog, LogError};
use cqrs_es::Aggregate;
use domain::aggregates::*;
use domain::event::{AggregateType, Event};
use domain::rule::Rule;
use moka::sync::Cache;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Most bytes of cached states: room for about 80,000 ordinary ones.
pub const STATES_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Approximate size of a state without its values.
const STATE_BYTES: usize = 256;

/// An aggregate whose states are cached.
pub(crate) trait CachedAggregate:
    Aggregate<Services = (), Error: Rule, Event: Into<Event> + TryFrom<Event, Error = Event>> + Clone + 'static
{
    const KIND: AggregateType;

    fn to_cached(state: Arc<Self>) -> CachedState;
    fn from_cached(state: &CachedState) -> Option<Arc<Self>>;
}

/// Makes [`CachedState`] and [`CachedAggregate`] of the aggregates of the domain. Of the row `Task(TaskEvent) = "task"` it makes
///
/// ```ignore
/// pub(crate) enum CachedState { Task(Arc<Task>) }
/// impl CachedAggregate for Task { const KIND: AggregateType = AggregateType::Task; … }
/// ```
macro_rules! cached_aggregates {
    ($($aggregate:ident($events:ident) = $word:literal,)+) => {
        /// A state of any aggregate.
        #[derive(Clone)]
        pub(crate) enum CachedState {
            $($aggregate(Arc<$aggregate>),)+
        }

        $(impl CachedAggregate for $aggregate {
            const KIND: AggregateType = AggregateType::$aggregate;

            fn to_cached(state: Arc<Self>) -> CachedState {
                CachedState::$aggregate(state)
            }

            fn from_cached(state: &CachedState) -> Option<Arc<Self>> {
                if let CachedState::$aggregate(state) = state { Some(Arc::clone(state)) } else { None }
            }
        })+
    };
}

domain::for_each_aggregate!(cached_aggregates);

/// A state at a version. Version 0 is an aggregate that does not exist.
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

/// Loads states and caches them.
pub(crate) struct StateCache {
    log: Arc<dyn EventLog>,
    cache: Cache<Uuid, CacheEntry>,
    /// Permits to read long streams, shared with all others who read such.
    long: Arc<Semaphore>,
}

/// A state at a version, with about how many bytes it takes.
#[derive(Clone)]
struct CacheEntry {
    state: CachedState,
    generation: u64,
    version: i64,
    bytes: u32,
}

impl StateCache {
    pub(crate) fn new(log: Arc<dyn EventLog>, long: Arc<Semaphore>) -> Self {
        Self::with_room(log, long, STATES_BYTES_MAX)
    }

    fn with_room(log: Arc<dyn EventLog>, long: Arc<Semaphore>, bytes: u64) -> Self {
        Self { log, cache: Cache::builder().max_capacity(bytes).weigher(|_, entry: &CacheEntry| entry.bytes).build(), long }
    }

    /// The state, from the cache or else from the log. A decision on it must be proved.
    pub(crate) async fn get<A: CachedAggregate>(&self, id: Uuid) -> Result<Versioned<A>, LogError> {
        self.get_at_least(id, 0).await
    }

    /// The state at a version that the log is known to hold, or at a later one: for what is decided about an event without an
    /// append that would prove it.
    pub(crate) async fn get_at_least<A: CachedAggregate>(&self, id: Uuid, known: i64) -> Result<Versioned<A>, LogError> {
        let generation = *self.log.generation().borrow();
        let cached = self.cache.get(&id).filter(|entry| entry.generation == generation && entry.version >= known);
        if let Some(CacheEntry { state, version, .. }) = cached
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
                if let Ok(event) = event.try_into() {
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

    /// An aggregate that is believed not to exist yet; the append proves it.
    pub(crate) fn absent<A: CachedAggregate>(&self, id: Uuid) -> Versioned<A> {
        let generation = *self.log.generation().borrow();
        Versioned { id, generation, version: 0, state: Arc::new(A::default()), cached: false }
    }

    /// Caches a state, unless a newer one is cached already.
    pub(crate) fn put<A: CachedAggregate>(&self, state: &Versioned<A>) {
        let bytes = bytes_of(&*state.state);
        let new = CacheEntry { state: A::to_cached(Arc::clone(&state.state)), generation: state.generation, version: state.version, bytes };
        self.cache.entry(state.id).and_compute_with(|entry| match entry {
            Some(entry) if (entry.value().generation, entry.value().version) >= (new.generation, new.version) => {
                moka::ops::compute::Op::Nop
            }
            Some(_) | None => moka::ops::compute::Op::Put(new),
        });
    }

    /// Removes a state that turned out to be stale.
    pub(crate) fn forget(&self, id: Uuid) {
        self.cache.invalidate(&id);
    }
}

/// Approximate size of a state: that of its JSON.
fn bytes_of(state: &impl Serialize) -> u32 {
    let mut counted = Counted(STATE_BYTES);
    // Every state can be written.
    let _ = serde_json::to_writer(&mut counted, state);
    u32::try_from(counted.0).unwrap_or(u32::MAX)
}

/// Counts what is written, and drops it.
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

    /// How many of some tasks with a description of this many bytes are cached in a megabyte, and how many bytes they take.
    async fn cached(tasks: usize, description: usize) -> (u64, u64) {
        let log = Arc::new(MemoryLog::default());
        let node = node(&log, 1);
        let project = project(&node, "APOLLO").await;
        let states = StateCache::with_room(log, Arc::new(Semaphore::new(1)), 1024 * 1024);
        for number in 0..tasks {
            let id = task(&node, project, &format!("Task {number}")).await;
            send(&node, "taskUpdate", json!({ "id": id, "description": "x".repeat(description) })).await.expect("a description");
            states.get::<Task>(id).await.expect("the log answers");
            states.cache.run_pending_tasks();
        }
        (states.cache.entry_count(), states.cache.weighted_size())
    }

    #[tokio::test]
    async fn small_states_are_cached_and_of_large_ones_as_many_as_fit() {
        let (entries, bytes) = cached(40, 10).await;
        assert!(entries == 40 && (40 * 300..40 * 2_000).contains(&bytes), "{entries} of {bytes} bytes");
        let (entries, bytes) = cached(40, 60_000).await;
        assert!((10..18).contains(&entries) && bytes <= 1024 * 1024, "{entries} of {bytes} bytes");
    }
}
