//! Whatever became of a task, once its schedule has followed, the two are in step.

use super::*;
use crate::project::Home;
use crate::task::{ChangeStatus, CreateTask, MoveTask, Task, TaskCommand, TaskContext, UpdateTask};
use crate::testing::{Happened, assert_settled, for_all, other_home, step};
use crate::values::{Assignees, Description, Instant, Priority, Tags};
use chrono::TimeDelta;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Debug, Clone)]
enum Happening {
    /// To the task, which the schedule does not know of yet.
    ToTheTask(TaskCommand),
    Follow,
    Tick,
    ProjectBecomes(Phase),
}

fn dues() -> impl Strategy<Value = DueRequest> {
    prop_oneof![select(vec!["2031-03-10", "2031-03-20"]).prop_map(on), Just(DueRequest::At(instant("2031-03-15T12:00:00Z"))),]
}

fn titles() -> impl Strategy<Value = &'static str> {
    select(vec!["Hall painted", "Stairs painted"])
}

fn creations() -> impl Strategy<Value = TaskCommand> {
    (titles(), option::weighted(0.8, dues())).prop_map(|(title, due)| {
        TaskCommand::Create(Box::new(CreateTask {
            project_id: APOLLO,
            title: text(title),
            description: Description::empty(),
            priority: Priority::Medium,
            category: None,
            tags: Tags::default(),
            assignee_ids: Assignees::default(),
            due,
            estimate_minutes: None,
        }))
    })
}

fn to_the_task() -> impl Strategy<Value = TaskCommand> {
    let status = select(vec![Status::InProgress, Status::Cancelled, Status::Done]);
    prop_oneof![
        6 => creations(),
        3 => titles().prop_map(|title| TaskCommand::Update(Box::new(UpdateTask { title: Some(text(title)), ..Default::default() }))),
        4 => dues().prop_map(TaskCommand::SetDue),
        2 => Just(TaskCommand::ClearDue),
        4 => status.prop_map(|to| TaskCommand::ChangeStatus(ChangeStatus { to, blocked_reason: None })),
        4 => Just(TaskCommand::Reopen),
        1 => select(vec![APOLLO, BORA]).prop_map(|project_id| TaskCommand::Move(MoveTask { project_id })),
        1 => Just(TaskCommand::Delete),
    ]
}

fn happenings() -> impl Strategy<Value = (i64, Happening)> {
    let what = prop_oneof![
        5 => to_the_task().prop_map(Happening::ToTheTask),
        3 => Just(Happening::Follow),
        2 => Just(Happening::Tick),
        1 => select(vec![Phase::Active, Phase::Active, Phase::Archived]).prop_map(Happening::ProjectBecomes),
    ];
    (0..200_000_000i64, what)
}

#[test]
fn after_following_a_schedule_is_in_step_with_its_task() {
    for_all(500, vec(happenings(), 1..60), |happenings| {
        let mut world = World { phase: Phase::Active, now: instant(SOME_DAY), task: Task::Absent, schedule: Schedule::Absent };
        for (later_ms, happening) in happenings {
            world.now = world.now + TimeDelta::milliseconds(later_ms);
            match happening {
                // A refusal is no change, so there is nothing to follow.
                Happening::ToTheTask(command) => {
                    let target =
                        matches!(command, TaskCommand::Move(MoveTask { project_id: BORA })).then(other_home).or_else(|| Some(home()));
                    let context = TaskContext { home: world.home(), target };
                    let command = Issued { at: world.now, ..issued(command).in_context(context) };
                    let _ = step(&mut world.task, command);
                }
                Happening::Follow => world.follow(),
                Happening::Tick => {
                    let command = world.about_the_task(ScheduleCommand::Tick);
                    let _ = step(&mut world.schedule, command);
                }
                Happening::ProjectBecomes(phase) => world.phase = phase,
            }
        }
        world.follow();
    });
}

/// A task, the schedule that follows it, and the phase of both projects that the task may be in.
struct World {
    phase: Phase,
    now: Instant,
    task: Task,
    schedule: Schedule,
}

impl World {
    fn home(&self) -> Home {
        Home { phase: self.phase, ..if self.task.project_id() == Some(BORA) { other_home() } else { home() } }
    }

    fn about_the_task(&self, command: ScheduleCommand) -> Issued<ScheduleCommand, ScheduleContext> {
        let context = ScheduleContext { home: Some(self.home()), task: FollowedTask::of(PAINT, &self.task) };
        Issued { at: self.now, ..issued(command).in_context(context) }
    }

    fn follow(&mut self) {
        let before = self.schedule.clone();
        let command = match self.schedule {
            Schedule::Absent => ScheduleCommand::StartFollowing(PAINT),
            Schedule::Present(_) => ScheduleCommand::Follow,
        };
        let command = self.about_the_task(command);
        if matches!(self.task, Task::Absent) {
            assert_eq!(step(&mut self.schedule, command).err(), Some(ScheduleError::TaskNotFound));
            return;
        }
        let happened = step(&mut self.schedule, command).expect("following is never refused here");
        if matches!(self.schedule, Schedule::Present(_)) {
            assert_settled(&self.schedule, self.about_the_task(ScheduleCommand::Follow));
        }
        for Happened { before, event, after } in happened {
            assert_ne!(before, after, "an event that changes nothing: {event:?}");
        }
        assert_in_step(&self.schedule, &self.task);
        assert_revision_grew_where_it_had_to(&before, &self.schedule);
        assert_end_is_right(&before, &self.schedule, &self.task);
    }
}

/// The schedule waits if and only if the task is open with a due moment, and then for the same under the same title. It
/// is met if and only if such a task is done, and then at the moment when that was.
fn assert_in_step(schedule: &Schedule, task: &Task) {
    let waits_or_met = match schedule {
        Schedule::Present(live) if live.life == ScheduleLife::Deleted => None,
        // What was met stays met when its task waits for nothing any more.
        Schedule::Present(live) if live.life == ScheduleLife::Met && !is_done(task) => None,
        Schedule::Present(live) => Some((&live.title, live.due, live.met_at)),
        Schedule::Absent => None,
    };
    let planned = match task {
        Task::Live(live) if live.status != Status::Cancelled => live.due.map(|due| (&live.title, due, live.completed_at)),
        Task::Live(_) | Task::Deleted { .. } | Task::Absent => None,
    };
    assert_eq!(waits_or_met, planned, "out of step");
}

fn is_done(task: &Task) -> bool {
    matches!(task, Task::Live(live) if live.status == Status::Done && live.due.is_some())
}

/// Waiting anew or for another moment is another revision, so it fires anew; anything else is not. That holds for the
/// wait that was over already when the schedule came to follow.
fn assert_revision_grew_where_it_had_to(before: &Schedule, after: &Schedule) {
    let (Schedule::Present(before), Schedule::Present(after)) = (before, after) else { return };
    let ended_anew = before.life != ScheduleLife::Waiting && (before.life, before.met_at) != (after.life, after.met_at);
    let waits_anew = ended_anew || before.due != after.due;
    assert_eq!(after.due_revision, before.due_revision + u32::from(waits_anew));
    assert!(!waits_anew || after.fired_through.is_none());
}

/// A schedule that waited ends met where its task is done, and deleted where there is nothing left to wait for.
fn assert_end_is_right(before: &Schedule, after: &Schedule, task: &Task) {
    let (Schedule::Present(before), Schedule::Present(after)) = (before, after) else { return };
    if before.life == ScheduleLife::Waiting && after.life != ScheduleLife::Waiting {
        assert_eq!(after.life, if is_done(task) { ScheduleLife::Met } else { ScheduleLife::Deleted });
    }
}
