//! The schedule that follows a task's due date: given what became of the task, when it follows, then it is in step.

use super::*;
use crate::task::Task;
use crate::testing::other_home;

fn in_step_with(command: ScheduleCommand, task: Option<FollowedTask>) -> Issued<ScheduleCommand, ScheduleContext> {
    issued(command).in_context(ScheduleContext { home: Some(home()), task })
}

fn follow(task: Option<FollowedTask>) -> Issued<ScheduleCommand, ScheduleContext> {
    in_step_with(ScheduleCommand::Follow, task)
}

fn start_following(task: Option<FollowedTask>) -> Issued<ScheduleCommand, ScheduleContext> {
    in_step_with(ScheduleCommand::StartFollowing(PAINT), task)
}

fn start_following_plan(plan: Plan) -> Issued<ScheduleCommand, ScheduleContext> {
    start_following(Some(task(Some(plan))))
}

fn follow_plan(plan: Plan) -> Issued<ScheduleCommand, ScheduleContext> {
    follow(Some(task(Some(plan))))
}

/// The follower begins with the default threshold alone.
fn beginning() -> ScheduleCreated {
    ScheduleCreated { thresholds: thresholds()[..1].to_vec(), ..creation(FOLLOWER) }
}

fn begun() -> ScheduleEvent {
    ScheduleEvent::ScheduleCreated(Box::new(beginning()))
}

fn undated() -> Plan {
    Plan { due: None, ..plan() }
}

fn plan_that_is(status: Status) -> Plan {
    Plan { status, completed_at: (status == Status::Done).then(|| instant(DONE_AT)), ..plan() }
}

/// Before the day on which everything else here happens, as in imported history.
const DONE_AT: &str = "2031-02-20T12:00:00Z";

fn met_when_done(due: Due, due_revision: u32) -> ScheduleEvent {
    met_as(FOLLOWER, due, due_revision, DONE_AT)
}

fn reopened_as(due: Due, due_revision: u32) -> ScheduleEvent {
    let thresholds = Thresholds::default().resolve(&due);
    ScheduleEvent::ScheduleReopened(Box::new(ScheduleReopened { title: text("Hall painted"), due, due_revision, thresholds }))
}

const OPEN: [Status; 4] = [Status::Todo, Status::InProgress, Status::InReview, Status::Blocked];

#[test]
fn an_open_task_with_a_due_moment_gets_a_schedule() {
    for status in OPEN {
        given::<Schedule>([]).when(start_following_plan(plan_that_is(status))).then([begun()]);
    }
}

#[test]
fn a_task_that_waits_for_nothing_gets_no_schedule() {
    let cancelled = task(Some(plan_that_is(Status::Cancelled)));
    for task in [task(None), task(Some(undated())), cancelled] {
        given::<Schedule>([]).when(start_following(Some(task))).then_nothing();
    }
}

#[test]
fn a_task_that_does_not_exist_in_the_workspace_is_not_passed_over() {
    let elsewhere = FollowedTask { workspace_id: ELSEWHERE, ..task(Some(plan())) };
    for task in [None, Some(elsewhere)] {
        given::<Schedule>([]).when(start_following(task)).then_refused(ScheduleError::TaskNotFound);
    }
}

#[test]
fn a_schedule_in_step_stays_as_it_is() {
    for status in OPEN {
        given::<Schedule>([begun()]).when(follow_plan(plan_that_is(status))).then_nothing();
    }
    given::<Schedule>([begun(), met_when_done(tenth_of_march(), 1)]).when(follow_plan(plan_that_is(Status::Done))).then_nothing();
    given::<Schedule>([begun(), deleted()]).when(follow_plan(undated())).then_nothing();
}

#[test]
fn a_new_title_renames_it() {
    let renamed =
        updated(ScheduleChanges { title: Some(Change { from: text("Hall painted"), to: text("Stairs painted") }), thresholds: None });
    given::<Schedule>([begun()]).when(follow_plan(Plan { title: text("Stairs painted"), ..plan() })).then([renamed]);
}

fn rescheduled_follower() -> ScheduleEvent {
    ScheduleEvent::ScheduleRescheduled(Box::new(ScheduleRescheduled {
        from: tenth_of_march(),
        to: twentieth_of_march(),
        due_revision: 2,
        thresholds: later_thresholds()[..1].to_vec(),
    }))
}

#[test]
fn a_new_due_moment_reschedules_it() {
    given::<Schedule>([begun()]).when(follow_plan(Plan { due: Some(twentieth_of_march()), ..plan() })).then([rescheduled_follower()]);
}

#[test]
fn a_new_title_and_a_new_due_moment_do_both() {
    let renamed = updated(ScheduleChanges { title: Some(Change { from: text("Hall painted"), to: text("Paint") }), thresholds: None });
    given::<Schedule>([begun()])
        .when(follow_plan(Plan { title: text("Paint"), due: Some(twentieth_of_march()), ..plan() }))
        .then([renamed, rescheduled_follower()]);
}

#[test]
fn a_completed_task_meets_it() {
    given::<Schedule>([begun()]).when(follow_plan(plan_that_is(Status::Done))).then([met_when_done(tenth_of_march(), 1)]);
}

#[test]
fn a_task_that_is_done_meets_the_same_schedule_whenever_it_follows() {
    let plan = || Plan { due: Some(twentieth_of_march()), ..plan_that_is(Status::Done) };
    let done = || follow_plan(plan());
    let due_later = ScheduleCreated { due: twentieth_of_march(), thresholds: later_thresholds()[..1].to_vec(), ..beginning() };
    let begun_later = ScheduleEvent::ScheduleCreated(Box::new(due_later));
    given::<Schedule>([]).when(start_following_plan(plan())).then([begun_later, met_when_done(twentieth_of_march(), 1)]);
    given::<Schedule>([begun()]).when(done()).then([rescheduled_follower(), met_when_done(twentieth_of_march(), 2)]);
    // Since it last followed, the task was to do again, and done again.
    for end in [met(), deleted()] {
        given::<Schedule>([begun(), end]).when(done()).then([reopened_as(twentieth_of_march(), 2), met_when_done(twentieth_of_march(), 2)]);
    }
    given::<Schedule>([begun(), met()])
        .when(follow_plan(plan_that_is(Status::Done)))
        .then([reopened_as(tenth_of_march(), 2), met_when_done(tenth_of_march(), 2)]);
}

#[test]
fn a_task_that_waits_no_more_deletes_it() {
    for task in [None, Some(task(None)), Some(task(Some(undated()))), Some(task(Some(plan_that_is(Status::Cancelled))))] {
        given::<Schedule>([begun()]).when(follow(task)).then([deleted()]);
    }
}

#[test]
fn a_task_that_waits_again_reopens_it_as_a_new_revision() {
    let reopened = ScheduleReopened {
        title: text("Stairs painted"),
        due: twentieth_of_march(),
        due_revision: 2,
        thresholds: later_thresholds()[..1].to_vec(),
    };
    for end in [met(), deleted()] {
        for status in OPEN {
            let plan = Plan { title: text("Stairs painted"), due: Some(twentieth_of_march()), ..plan_that_is(status) };
            let reopened = ScheduleEvent::ScheduleReopened(Box::new(reopened.clone()));
            given::<Schedule>([begun(), end.clone()]).when(follow_plan(plan.clone())).then([reopened.clone()]);
            given::<Schedule>([begun(), end.clone(), reopened]).when(follow_plan(plan)).then_nothing();
        }
    }
}

#[test]
fn a_reopened_schedule_fires_its_moments_anew() {
    let history = [begun(), overdue(FOLLOWER, 0), met()];
    let reopened = given::<Schedule>(history.clone()).when(follow_plan(plan())).events();
    let fired = given::<Schedule>(history.into_iter().chain(reopened))
        .when(at("2031-03-11T00:00:00Z", ScheduleCommand::Tick).in_context(about(FOLLOWER)))
        .events();
    let [ScheduleEvent::DeadlineOverdue(overdue)] = &fired[..] else { panic!("not overdue: {fired:?}") };
    assert_eq!((overdue.due_revision, overdue.late_by_ms), (2, 3_600_000));
}

#[test]
fn an_ended_schedule_stays_ended_while_its_task_is_closed_or_undated() {
    for end in [met(), deleted()] {
        for plan in [Plan { due: None, ..plan_that_is(Status::Done) }, plan_that_is(Status::Cancelled), undated()] {
            given::<Schedule>([begun(), end.clone()]).when(follow_plan(plan)).then_nothing();
        }
        given::<Schedule>([begun(), end]).when(follow(Some(task(None)))).then_nothing();
    }
}

#[test]
fn it_begins_where_its_task_is_and_says_whether_that_project_rests() {
    for (home, project_at_rest) in [(other_home(), false), (home_that_is(Phase::Archived), true)] {
        let place = Place { project_id: Some(home.id), task_id: Some(PAINT) };
        let task = FollowedTask { project_id: home.id, ..task(Some(plan())) };
        given::<Schedule>([])
            .when(issued(ScheduleCommand::StartFollowing(PAINT)).in_context(ScheduleContext { home: Some(home), task: Some(task) }))
            .then([ScheduleEvent::ScheduleCreated(Box::new(ScheduleCreated { place, project_at_rest, ..beginning() }))]);
    }
}

#[test]
fn nothing_begins_to_follow_in_a_deleted_project() {
    let context = ScheduleContext { home: Some(home_that_is(Phase::Deleted)), task: Some(task(Some(plan()))) };
    given::<Schedule>([]).when(issued(ScheduleCommand::StartFollowing(PAINT)).in_context(context)).then_nothing();
}

#[test]
fn it_follows_even_in_a_project_that_rests() {
    for phase in [Phase::Archived, Phase::Deleted] {
        let context = ScheduleContext { home: Some(home_that_is(phase)), task: Some(task(Some(plan_that_is(Status::Done)))) };
        given::<Schedule>([begun()]).when(issued(ScheduleCommand::Follow).in_context(context)).then([met_when_done(tenth_of_march(), 1)]);
    }
}

#[test]
fn a_schedule_that_follows_nothing_does_not_start_to() {
    for subject in OWN_SUBJECTS {
        for task in [None, Some(task(None)), Some(task(Some(plan_that_is(Status::Done))))] {
            given::<Schedule>([created(subject)]).when(follow(task)).then_nothing();
        }
    }
}

#[test]
fn nobody_else_changes_it() {
    for history in [vec![begun()], vec![begun(), met()], vec![begun(), deleted()]] {
        for command in commands_of_people() {
            given::<Schedule>(history.clone()).when(sent(FOLLOWER, command)).then_refused(ScheduleError::FollowsTask);
        }
    }
}

#[test]
fn a_schedule_sees_of_a_task_what_it_needs() {
    let live = crate::task::LiveTask {
        workspace_id: HERE,
        project_id: APOLLO,
        project_key: text("APOLLO"),
        number: 12,
        title: text("Hall painted"),
        description: text(""),
        status: Status::Todo,
        blocked_reason: None,
        priority: crate::values::Priority::Medium,
        category: None,
        tags: crate::values::Tags::default(),
        assignee_ids: plan().assignee_ids,
        due: Some(tenth_of_march()),
        estimate_minutes: None,
        created_at: instant(SOME_DAY),
        completed_at: None,
    };
    assert_eq!(FollowedTask::of(PAINT, &Task::Live(Box::new(live))), Some(task(Some(plan()))));
    assert_eq!(FollowedTask::of(PAINT, &Task::Deleted { workspace_id: HERE, project_id: APOLLO }), Some(task(None)));
    assert_eq!(FollowedTask::of(PAINT, &Task::Absent), None);
}
