//! The present state of aggregates, kept for a while.
//!
//! The cache can be stale but never wrong: an append proves the version it was decided on, and a refusal decided on a
//! cached state is proved before it is given.

use crate::ports::{EventLog, LogError};
use cqrs_es::Aggregate;
use domain::event::{AggregateType, Event};
use domain::project::{Project, ProjectEvent};
use domain::rule::Rule;
use domain::schedule::{Schedule, ScheduleEvent};
use domain::task::{Task, TaskEvent};
use moka::sync::Cache;
use std::sync::Arc;
use uuid::Uuid;

/// Most aggregates kept in memory.
pub const STATES_MAX: u64 = 50_000;

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
    pub(crate) version: i64,
    pub(crate) state: Arc<A>,
    /// Whether it came from the cache and may be stale.
    pub(crate) cached: bool,
}

/// Loads and keeps states.
pub(crate) struct States {
    log: Arc<dyn EventLog>,
    cache: Cache<Uuid, (CachedState, i64)>,
}

impl States {
    pub(crate) fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log, cache: Cache::new(STATES_MAX) }
    }

    /// The state, from memory or else from the log.
    pub(crate) async fn get<A: Entity>(&self, id: Uuid) -> Result<Versioned<A>, LogError> {
        if let Some((state, version)) = self.cache.get(&id)
            && let Some(state) = A::from_cached(&state)
        {
            return Ok(Versioned { id, version, state, cached: true });
        }
        let mut state = A::default();
        let mut version = 0;
        for event in self.log.stream(A::KIND, id).await? {
            if let Some(event) = A::own_event(event) {
                state.apply(event);
                version += 1;
            }
        }
        let loaded = Versioned { id, version, state: Arc::new(state), cached: false };
        if version > 0 {
            self.put(&loaded);
        }
        Ok(loaded)
    }

    /// An aggregate that is believed not to be there yet; the append proves it.
    pub(crate) fn absent<A: Entity>(id: Uuid) -> Versioned<A> {
        Versioned { id, version: 0, state: Arc::new(A::default()), cached: false }
    }

    /// Keeps a state, unless a newer one is kept already.
    pub(crate) fn put<A: Entity>(&self, state: &Versioned<A>) {
        let entry = (A::to_cached(Arc::clone(&state.state)), state.version);
        self.cache.entry(state.id).and_compute_with(|kept| match kept {
            Some(kept) if kept.value().1 >= entry.1 => moka::ops::compute::Op::Nop,
            Some(_) | None => moka::ops::compute::Op::Put(entry),
        });
    }

    /// Forgets a state that turned out to be stale.
    pub(crate) fn forget(&self, id: Uuid) {
        self.cache.invalidate(&id);
    }
}
