//! given(events).when(command).then(events): the only test code that knows cqrs-es. Also the constants of many tests,
//! and the runner of property tests.

use crate::event::Event;
use crate::fields::Fields;
use crate::ids::{ProjectId, UserId, WorkspaceId};
use crate::issued::Issued;
use crate::project::{self, Home, Phase, Project, ProjectEvent};
use crate::schedule::{self, Schedule, ScheduleEvent};
use crate::task::{self, Task, TaskEvent};
use crate::values::{Change, Instant, InvalidValue};
use chrono::NaiveDate;
use chrono_tz::Europe::Zurich;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Debug;
use uuid::Uuid;

/// Who acts in tests.
pub(crate) const ANNA: UserId = UserId(Uuid::from_u128(0xA11A));
/// Another user.
pub(crate) const BEN: UserId = UserId(Uuid::from_u128(0xBE11));
/// Where tests happen.
pub(crate) const HERE: WorkspaceId = WorkspaceId(Uuid::from_u128(1));
/// Where they do not.
pub(crate) const ELSEWHERE: WorkspaceId = WorkspaceId(Uuid::from_u128(2));
/// The project that tasks and schedules of tests live in.
pub(crate) const APOLLO: ProjectId = ProjectId(Uuid::from_u128(0xA701));
/// Another project.
pub(crate) const BORA: ProjectId = ProjectId(Uuid::from_u128(0xB07A));
/// When commands of tests are issued, unless the time matters.
pub(crate) const SOME_DAY: &str = "2031-03-01T12:00:00Z";

/// The past events.
pub(crate) struct Given<A: Aggregate> {
    state: A,
}

/// The result of a command.
pub(crate) struct Then<A: Aggregate> {
    state: A,
    result: Result<Vec<A::Event>, A::Error>,
}

pub(crate) fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    let mut state = A::default();
    for event in events {
        state.apply(event);
    }
    Given { state }
}

impl<A: Aggregate<Services = ()>> Given<A> {
    pub(crate) fn when(mut self, command: A::Command) -> Then<A> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
        let result = runtime.block_on(async {
            let sink = EventSink::default();
            let handled = self.state.handle(command, &(), &sink).await;
            let events = sink.collect().await;
            handled.map(|()| events)
        });
        Then { state: self.state, result }
    }
}

impl<A: Aggregate<Services = ()>> Then<A>
where
    A::Error: PartialEq + Debug,
{
    pub(crate) fn then(self, expected: impl IntoIterator<Item = A::Event>) {
        assert_eq!(self.result.expect("the command was refused"), expected.into_iter().collect::<Vec<_>>());
    }

    pub(crate) fn then_nothing(self) {
        self.then([]);
    }

    pub(crate) fn then_refused(self, expected: A::Error) {
        assert_eq!(self.result.expect_err("the command was accepted"), expected);
    }

    pub(crate) fn events(self) -> Vec<A::Event> {
        self.result.expect("the command was refused")
    }

    pub(crate) fn state(self) -> A {
        self.result.expect("the command was refused");
        self.state
    }
}

/// A command of Anna in this workspace, at a time.
pub(crate) fn at<C>(moment: &str, command: C) -> Issued<C> {
    Issued { by: ANNA, workspace: HERE, at: instant(moment), command, context: () }
}

/// A command by Anna, here, some day.
pub(crate) fn issued<C>(command: C) -> Issued<C> {
    at(SOME_DAY, command)
}

/// A command by Anna, some day, in another workspace.
pub(crate) fn issued_elsewhere<C>(command: C) -> Issued<C> {
    Issued { workspace: ELSEWHERE, ..issued(command) }
}

pub(crate) fn instant(text: &str) -> Instant {
    text.parse().expect("an RFC 3339 instant")
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day such as 2031-03-01")
}

/// A value made of text: `text::<Title>("Paint the hall")`.
pub(crate) fn text<T: TryFrom<String, Error = InvalidValue>>(text: &str) -> T {
    T::try_from(text.to_owned()).expect("a text within its limits")
}

/// The project APOLLO, active, in Zurich.
pub(crate) fn home() -> Home {
    home_that_is(Phase::Active)
}

pub(crate) fn home_that_is(phase: Phase) -> Home {
    Home { id: APOLLO, workspace_id: HERE, key: text("APOLLO"), time_zone: Zurich, phase }
}

/// APOLLO, had it been created in another workspace.
pub(crate) fn home_elsewhere() -> Home {
    Home { workspace_id: ELSEWHERE, ..home() }
}

/// The project BORA, active, in Havana.
pub(crate) fn other_home() -> Home {
    Home { id: BORA, key: text("BORA"), time_zone: chrono_tz::America::Havana, ..home() }
}

/// Tries a property on that many random inputs. A failure names the smallest input found.
pub(crate) fn for_all<S: Strategy>(cases: u32, inputs: S, check: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&inputs, |input| {
        check(input);
        Ok(())
    });
    tried.unwrap_or_else(|failure| panic!("{failure}"));
}

/// The pure core of an aggregate, so that properties are written once for all three.
pub(crate) trait Rules: Aggregate<Command: Clone, Error: PartialEq, Services = ()> + Clone + PartialEq + Debug {
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;
    fn evolve(self, event: Self::Event) -> Self;
    fn wrap(event: Self::Event) -> Event;
}

macro_rules! rules {
    ($aggregate:ident, $event:ident, $module:ident) => {
        impl Rules for $aggregate {
            fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error> {
                $module::decide(self, command)
            }
            fn evolve(self, event: $event) -> Self {
                $module::evolve(self, event)
            }
            fn wrap(event: $event) -> Event {
                Event::$aggregate(event)
            }
        }
    };
}
rules!(Project, ProjectEvent, project);
rules!(Task, TaskEvent, task);
rules!(Schedule, ScheduleEvent, schedule);

/// One event of a step, with the states around it.
#[derive(Debug)]
pub(crate) struct Happened<A: Aggregate> {
    pub(crate) before: A,
    pub(crate) event: A::Event,
    pub(crate) after: A,
}

/// Takes a random step and checks the invariants of every step of every aggregate: the adapter to cqrs-es does what
/// `decide` and `evolve` do, and events and state come back from storage as they were.
pub(crate) fn step<A: Rules>(state: &mut A, command: A::Command) -> Result<Vec<Happened<A>>, A::Error> {
    let handled = Given { state: state.clone() }.when(command.clone());
    let decided = state.decide(command);
    assert_eq!(decided, handled.result, "the aggregate decided otherwise");
    let mut happened = vec![];
    for event in decided.inspect_err(|_| assert_eq!(*state, handled.state, "a refused command changed something"))? {
        let stored = A::wrap(event.clone());
        let (name, version, text) = (event.event_type(), event.event_version(), stored.encode());
        let parsed = serde_json::from_str(&text).expect("an event is JSON");
        assert_eq!(Event::decode(A::TYPE, &name, &version, &text).as_ref(), Ok(&stored), "the event is not the same when read");
        assert_eq!(Event::decode_value(A::TYPE, &name, &version, parsed), Ok(stored), "the event is not the same when parsed");
        let before = state.clone();
        *state = before.clone().evolve(event.clone());
        happened.push(Happened { before, event, after: state.clone() });
    }
    assert_eq!(*state, handled.state, "the aggregate came to another state");
    let snapshot = serde_json::to_string(state).expect("a state is JSON");
    assert_eq!(serde_json::from_str::<A>(&snapshot).expect("a snapshot reads"), *state, "the state is not the same when read");
    Ok(happened)
}

/// A command just accepted has taken effect: the same command again changes nothing.
pub(crate) fn assert_settled<A: Rules>(state: &A, command: A::Command) {
    if let Ok(again) = state.decide(command.clone()) {
        assert_eq!(again, [], "the same command again changed something");
    }
}

/// Only fields that the command sets have changed: a command with an old version conflicts with every change that it would undo.
pub(crate) fn assert_set_by_command(changed: &Fields, set: &Fields) {
    match (changed, set) {
        (_, Fields::All) => {}
        (Fields::All, Fields::Some(_)) => panic!("everything changed where {set:?} is set"),
        (Fields::Some(changed), Fields::Some(set)) => {
            assert!(changed.iter().all(|name| set.contains(name)), "{changed:?} changed where {set:?} is set");
        }
    }
}

/// A change starts from the old value and leads to another one.
pub(crate) fn assert_change<T: PartialEq + Debug>(change: Option<&Change<T>>, old: &T) {
    if let Some(change) = change {
        assert_eq!(&change.from, old);
        assert_ne!(change.from, change.to);
    }
}
