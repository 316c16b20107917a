//! given(events).when(command).then(events): the only test code that knows cqrs-es.

use crate::ids::{UserId, WorkspaceId};
use crate::issued::Issued;
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use std::fmt::Debug;
use uuid::Uuid;

/// Who acts in tests.
pub(crate) const ANNA: UserId = UserId(Uuid::from_u128(0xA11A));
/// Somebody else.
pub(crate) const BEN: UserId = UserId(Uuid::from_u128(0xBE11));
/// Where tests happen.
pub(crate) const HERE: WorkspaceId = WorkspaceId(Uuid::from_u128(1));
/// Where they do not.
pub(crate) const ELSEWHERE: WorkspaceId = WorkspaceId(Uuid::from_u128(2));

/// What happened before.
pub(crate) struct Given<A: Aggregate> {
    state: A,
}

/// What came of a command.
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

/// A command by Anna, here, at a moment.
pub(crate) fn at<C>(moment: &str, command: C) -> Issued<C> {
    Issued { by: ANNA, workspace: HERE, at: instant(moment), command }
}

/// A command by Anna, here, some day.
pub(crate) fn issued<C>(command: C) -> Issued<C> {
    at("2031-03-01T12:00:00Z", command)
}

pub(crate) fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an RFC 3339 instant")
}
