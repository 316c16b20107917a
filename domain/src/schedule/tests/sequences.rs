//! Any sequence of commands and any passing of time keeps the invariants.

use super::*;
use crate::issued::DomainCommand;
use crate::testing::{Happened, Rules, assert_change, assert_set_by_command, assert_settled, for_all, step};
use crate::values::Instant;
use chrono::TimeDelta;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// What happens in one step, some time after the step before.
#[derive(Debug, Clone)]
enum Happening {
    Creation(DueRequest, Thresholds),
    Command(ScheduleCommand),
    ProjectBecomes(Phase),
    TaskDeletion,
}

/// The schedule and what it is about.
struct World {
    subject: Subject,
    phase: Phase,
    task_is_deleted: bool,
    now: Instant,
    schedule: Schedule,
    /// Due revision and moment of each firing.
    fired: Vec<(u32, Instant)>,
    history: Vec<ScheduleEvent>,
}

// Late March in Zurich has a change of clocks.
fn dues() -> impl Strategy<Value = DueRequest> {
    let noon = instant("2031-03-25T12:00:00Z");
    prop_oneof![
        (25..32u32).prop_map(|date| on(&format!("2031-03-{date}"))),
        (0..20_000i64).prop_map(move |minutes| DueRequest::At(noon + TimeDelta::minutes(minutes))),
    ]
}

fn some_leads() -> impl Strategy<Value = Thresholds> {
    let lead = prop_oneof![
        (1..6u32).prop_map(|days| lead(days, Days)),
        select(vec![1, 23, 24, 25, 48, 72]).prop_map(|hours| lead(hours, Hours)),
        (1..4_000u32).prop_map(|minutes| lead(minutes, ThresholdUnit::Minutes)),
    ];
    vec(lead, 0..5).prop_map(|picked| leads(&picked))
}

fn commands() -> impl Strategy<Value = ScheduleCommand> {
    let update = (option::of(select(vec!["Hall painted", "Hall done"])), option::of(some_leads()))
        .prop_map(|(title, thresholds)| ScheduleCommand::Update(UpdateSchedule { title: title.map(text), thresholds }));
    prop_oneof![
        4 => update,
        4 => dues().prop_map(ScheduleCommand::Reschedule),
        1 => Just(ScheduleCommand::Meet),
        1 => Just(ScheduleCommand::Delete),
        16 => Just(ScheduleCommand::Tick),
    ]
}

fn happenings() -> impl Strategy<Value = (i64, Happening)> {
    let what = prop_oneof![
        4 => (dues(), some_leads()).prop_map(|(due, leads)| Happening::Creation(due, leads)),
        26 => commands().prop_map(Happening::Command),
        2 => Just(Happening::ProjectBecomes(Phase::Archived)),
        4 => Just(Happening::ProjectBecomes(Phase::Active)),
        1 => Just(Happening::TaskDeletion),
    ];
    // Now and then no time at all passes, or many days at once.
    let later_ms = prop_oneof![1 => Just(0), 4 => 0..20_000_000i64, 1 => 0..900_000_000i64];
    (later_ms, what)
}

#[test]
fn any_sequence_of_commands_keeps_the_invariants_of_a_schedule() {
    let subjects = select(vec![Subject::Milestone, OF_PROJECT, OF_TASK]);
    for_all(600, (subjects, vec(happenings(), 1..60)), |(subject, happenings)| {
        let mut world = World {
            subject,
            phase: Phase::Active,
            task_is_deleted: false,
            now: instant("2031-03-22T00:00:00Z"),
            schedule: Schedule::Absent,
            fired: vec![],
            history: vec![],
        };
        for (later_ms, happening) in happenings {
            world.now = world.now + TimeDelta::milliseconds(later_ms);
            match happening {
                Happening::Creation(due, thresholds) => {
                    world.take(to_create(CreateSchedule { due, thresholds, ..create(subject) }));
                }
                Happening::Command(command) => world.take(command),
                Happening::ProjectBecomes(phase) => world.phase = phase,
                Happening::TaskDeletion => world.task_is_deleted = true,
            }
            world.assert_next_moment();
        }
        assert_eq!(world.history.into_iter().fold(Schedule::Absent, Schedule::evolve), world.schedule);
    });
}

impl World {
    fn issued_at(&self, at: Instant, command: ScheduleCommand) -> Issued<ScheduleCommand, ScheduleContext> {
        let home = (self.subject != Subject::Milestone).then(|| home_that_is(self.phase));
        let task = self.subject.task_id().map(|_| task((!self.task_is_deleted).then(plan)));
        Issued { at, ..issued(command).in_context(ScheduleContext { home, task }) }
    }

    /// Why nothing fires here, if something is in the way.
    fn silence(&self) -> Option<ScheduleError> {
        match self.phase {
            _ if self.subject == Subject::Milestone => None,
            Phase::Archived => Some(ScheduleError::ProjectArchived),
            Phase::Deleted => Some(ScheduleError::ProjectDeleted),
            Phase::Active if self.subject == OF_TASK && self.task_is_deleted => Some(ScheduleError::TaskDeleted),
            Phase::Active => None,
        }
    }

    /// What a tick must do, told without reading how the schedule keeps its firings: the moment that fires, if any.
    fn expected_of_tick(&self) -> Result<Option<Instant>, ScheduleError> {
        let Schedule::Present(live) = &self.schedule else { return Err(ScheduleError::NotFound) };
        if let Some(silence) = self.silence() {
            return Err(silence);
        }
        if live.life != ScheduleLife::Waiting {
            return Ok(None);
        }
        let last = self.fired.iter().filter(|(revision, _)| *revision == live.due_revision).map(|(_, moment)| *moment).max();
        let warnings = live.thresholds.iter().map(|threshold| threshold.lead().before(&live.due)).filter(|at| *at < live.due.at);
        let pending = warnings.chain([live.due.at]).filter(|at| last.is_none_or(|last| *at > last)).collect::<Vec<_>>();
        match (pending.iter().filter(|at| **at <= self.now).max(), pending.iter().min()) {
            (Some(most_severe), _) => Ok(Some(*most_severe)),
            (None, Some(next)) => Err(ScheduleError::NotYetDue(*next)),
            (None, None) => Ok(None),
        }
    }

    fn take(&mut self, command: ScheduleCommand) {
        let (fields, ticks) = (command.fields(), matches!(command, ScheduleCommand::Tick));
        let expected = self.expected_of_tick();
        let command = self.issued_at(self.now, command);
        let taken = step(&mut self.schedule, command.clone());
        if ticks {
            let fires = taken.as_ref().map(|happened| happened.iter().find_map(|happened| moment_of(&happened.event)));
            assert_eq!(fires, expected.as_ref().map(|moment| *moment), "a tick at {}", self.now);
        }
        let Ok(happened) = taken else { return };
        assert_settled(&self.schedule, command);
        assert!(happened.len() <= 1, "a command on a schedule is one event: {happened:?}");
        for Happened { before, event, after } in happened {
            assert_ne!(before, after, "an event that changes nothing: {event:?}");
            assert_set_by_command(&event.fields(), &fields);
            assert_true_of_what_was(&before, &event);
            self.assert_fires_once(&event);
            assert_set_by_command(&event.fields(), &ScheduleEvent::fields_of(event.name()).expect("a known event"));
            self.history.push(event);
        }
    }

    fn assert_fires_once(&mut self, event: &ScheduleEvent) {
        let (revision, late_by_ms) = match event {
            ScheduleEvent::DeadlineApproaching(fired) => (fired.due_revision, fired.late_by_ms),
            ScheduleEvent::DeadlineOverdue(fired) => (fired.due_revision, fired.late_by_ms),
            ScheduleEvent::ScheduleCreated(_)
            | ScheduleEvent::ScheduleUpdated(_)
            | ScheduleEvent::ScheduleRescheduled(_)
            | ScheduleEvent::ScheduleReopened(_)
            | ScheduleEvent::ScheduleDeleted(_)
            | ScheduleEvent::DeadlineMet(_) => return,
        };
        let moment = moment_of(event).expect("a firing has its moment");
        assert_eq!(late_by_ms, (self.now - moment).num_milliseconds());
        assert!(late_by_ms >= 0, "fired before its moment");
        if let Some((last_revision, last_moment)) = self.fired.last() {
            assert!((last_revision, last_moment) < (&revision, &moment), "fired twice or out of order: {event:?}");
        }
        self.fired.push((revision, moment));
    }

    /// `next_fire_at` names the moment up to which ticks are refused and at which one fires.
    fn assert_next_moment(&self) {
        let Schedule::Present(live) = &self.schedule else { return };
        let tick_at = |at| self.schedule.decide(self.issued_at(at, ScheduleCommand::Tick));
        if let Some(silence) = self.silence() {
            return assert_eq!(tick_at(self.now), Err(silence));
        }
        match live.next_fire_at() {
            None => assert_eq!(tick_at(instant("2100-01-01T00:00:00Z")), Ok(vec![])),
            Some(next) => {
                assert_eq!(tick_at(next - TimeDelta::milliseconds(1)), Err(ScheduleError::NotYetDue(next)));
                let fired = tick_at(next).expect("it fires at its next moment");
                assert_eq!(fired.iter().map(moment_of).collect::<Vec<_>>(), [Some(next)]);
            }
        }
    }
}

/// The moment that fires with an event, if one does.
fn moment_of(event: &ScheduleEvent) -> Option<Instant> {
    match event {
        ScheduleEvent::DeadlineApproaching(fired) => Some(fired.scheduled_for),
        ScheduleEvent::DeadlineOverdue(fired) => Some(fired.due.at),
        ScheduleEvent::ScheduleCreated(_)
        | ScheduleEvent::ScheduleUpdated(_)
        | ScheduleEvent::ScheduleRescheduled(_)
        | ScheduleEvent::ScheduleReopened(_)
        | ScheduleEvent::ScheduleDeleted(_)
        | ScheduleEvent::DeadlineMet(_) => None,
    }
}

/// What an event says of the time before it was so, and what it says of the change is one.
fn assert_true_of_what_was(before: &Schedule, event: &ScheduleEvent) {
    let Schedule::Present(live) = before else {
        return assert!(matches!(event, ScheduleEvent::ScheduleCreated(_)), "{event:?} without a creation");
    };
    let as_it_is = (&live.title, live.due, live.due_revision);
    assert_ne!(live.life, ScheduleLife::Deleted, "{event:?} of a deleted schedule");
    match event {
        ScheduleEvent::ScheduleCreated(_) => panic!("created twice"),
        ScheduleEvent::ScheduleUpdated(updated) => {
            assert_change(updated.changes.title.as_ref(), &live.title);
            assert_change(updated.changes.thresholds.as_ref(), &live.thresholds);
        }
        ScheduleEvent::ScheduleRescheduled(moved) => {
            assert_change(Some(&Change { from: moved.from, to: moved.to }), &live.due);
            assert_eq!(moved.due_revision, live.due_revision + 1);
            assert!(moved.thresholds.iter().all(|threshold| threshold.at == threshold.lead().before(&moved.to)));
        }
        ScheduleEvent::ScheduleReopened(_) => panic!("only the schedule that follows a task is reopened"),
        ScheduleEvent::ScheduleDeleted(deleted) => assert_eq!(deleted.title, live.title),
        ScheduleEvent::DeadlineApproaching(fired) => {
            assert_eq!((&fired.title, fired.due, fired.due_revision), as_it_is);
            assert_eq!(fired.scheduled_for, fired.threshold.before(&fired.due));
            assert!(live.thresholds.iter().any(|threshold| threshold.lead() == fired.threshold));
        }
        ScheduleEvent::DeadlineOverdue(fired) => assert_eq!((&fired.title, fired.due, fired.due_revision), as_it_is),
        ScheduleEvent::DeadlineMet(met) => assert_eq!((&met.title, met.due, met.due_revision), as_it_is),
    }
}
