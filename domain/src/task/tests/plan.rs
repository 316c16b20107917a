//! What is planned for a task: who does it, until when, and where.

use super::*;

// Assign and unassign

#[test]
fn somebody_is_assigned_and_unassigned() {
    given::<Task>([created()]).when(sent(TaskCommand::Assign(BEN))).then([assigned(BEN)]);
    given::<Task>([created(), assigned(BEN)]).when(sent(TaskCommand::Unassign(BEN))).then([unassigned(BEN)]);
}

#[test]
fn assigning_and_unassigning_twice_is_once() {
    given::<Task>([created(), assigned(BEN)]).when(sent(TaskCommand::Assign(BEN))).then_nothing();
    for history in [vec![created()], vec![created(), assigned(BEN), unassigned(BEN)]] {
        given::<Task>(history).when(sent(TaskCommand::Unassign(BEN))).then_nothing();
    }
}

#[test]
fn an_assignment_stored_twice_is_one() {
    let Task::Live(live) = [created(), assigned(BEN), assigned(BEN)].into_iter().fold(Task::Absent, evolve) else { panic!("it is gone") };
    assert_eq!(live.assignee_ids.iter().collect::<Vec<_>>(), [BEN]);
}

#[test]
fn everybody_whose_assignment_is_stored_is_assigned_whatever_the_limit_is_now() {
    let everybody: Vec<UserId> = (0..51).map(|n| UserId(Uuid::from_u128(n))).collect();
    let history = [created()].into_iter().chain(everybody.iter().map(|person| assigned(*person)));
    let Task::Live(live) = history.clone().fold(Task::Absent, evolve) else { panic!("it is gone") };
    assert_eq!(live.assignee_ids.iter().collect::<Vec<_>>(), everybody);
    given::<Task>(history).when(sent(TaskCommand::Assign(BEN))).then_refused(TaskError::TooManyAssignees(50));
}

#[test]
fn a_task_has_at_most_fifty_assignees() {
    let crowd = |people: u128| [created()].into_iter().chain((0..people).map(|n| assigned(UserId(Uuid::from_u128(n)))));
    given::<Task>(crowd(49)).when(sent(TaskCommand::Assign(BEN))).then([assigned(BEN)]);
    given::<Task>(crowd(50)).when(sent(TaskCommand::Assign(BEN))).then_refused(TaskError::TooManyAssignees(50));
    // Who is among them is assigned already.
    given::<Task>(crowd(50)).when(sent(TaskCommand::Assign(UserId(Uuid::from_u128(49))))).then_nothing();
    given::<Task>(crowd(50).chain([unassigned(UserId(Uuid::from_u128(0)))])).when(sent(TaskCommand::Assign(BEN))).then([assigned(BEN)]);
}

// Due

fn to_be_due(on: &str) -> TaskCommand {
    TaskCommand::SetDue(DueRequest::On(day(on), None))
}

#[test]
fn a_due_moment_is_set_moved_and_cleared() {
    let undated = || created_as(TaskCreated { due: None, ..creation() });
    given::<Task>([undated()]).when(sent(to_be_due("2031-04-30"))).then([due_changed(None, Some(end_of_april()))]);
    given::<Task>([created()]).when(sent(to_be_due("2031-04-30"))).then([due_changed(Some(end_of_march()), Some(end_of_april()))]);
    given::<Task>([created()]).when(sent(TaskCommand::ClearDue)).then([due_changed(Some(end_of_march()), None)]);
}

#[test]
fn a_date_ends_in_the_zone_of_the_project_unless_it_names_one() {
    let in_havana = |home: Home| sent_in(Home { time_zone: Tz::America__Havana, ..home }, to_be_due("2031-04-30"));
    given::<Task>([created()])
        .when(in_havana(home()))
        .then([due_changed(Some(end_of_march()), Some(Due::on(day("2031-04-30"), Tz::America__Havana)))]);
    let in_tokyo = TaskCommand::SetDue(DueRequest::On(day("2031-04-30"), Some(Tz::Asia__Tokyo)));
    given::<Task>([created()])
        .when(sent(in_tokyo))
        .then([due_changed(Some(end_of_march()), Some(Due::on(day("2031-04-30"), Tz::Asia__Tokyo)))]);
}

#[test]
fn a_due_moment_may_be_an_instant() {
    let noon = instant("2031-04-30T10:00:00Z");
    given::<Task>([created()])
        .when(sent(TaskCommand::SetDue(DueRequest::At(noon))))
        .then([due_changed(Some(end_of_march()), Some(Due::at(noon, Tz::Europe__Zurich)))]);
}

#[test]
fn a_due_moment_that_it_has_is_not_set_again() {
    given::<Task>([created()]).when(sent(to_be_due("2031-03-31"))).then_nothing();
    given::<Task>([created(), due_changed(Some(end_of_march()), Some(end_of_april()))]).when(sent(to_be_due("2031-04-30"))).then_nothing();
    given::<Task>([created_as(TaskCreated { due: None, ..creation() })]).when(sent(TaskCommand::ClearDue)).then_nothing();
}

// Move

fn moved(status: Status) -> TaskEvent {
    TaskEvent::TaskMoved(TaskMoved {
        number: 0,
        project_id: BORA,
        project_key: text("BORA"),
        from_number: 7,
        from_project_id: APOLLO,
        from_project_key: text("APOLLO"),
        status,
    })
}

#[test]
fn a_task_moves_to_another_project_and_says_where_it_was() {
    for status in [Status::Todo, Status::InProgress, Status::InReview, Status::Blocked, Status::Cancelled] {
        given::<Task>(task_that_is(status)).when(move_to(other_home())).then([moved(status)]);
    }
}

#[test]
fn a_moved_task_has_the_number_drawn_there_and_keeps_the_rest() {
    let fold = |history: Vec<TaskEvent>| match history.into_iter().fold(Task::Absent, evolve) {
        Task::Live(live) => *live,
        Task::Absent | Task::Deleted { .. } => panic!("it is gone"),
    };
    let before = fold(vec![created()]);
    assert_eq!(before.number, 7);
    let after = fold(vec![created(), moved(Status::Todo).with_drawn(3)]);
    assert_eq!(after, LiveTask { number: 3, project_id: BORA, project_key: text("BORA"), ..before });
}

#[test]
fn a_task_that_is_there_does_not_move() {
    given::<Task>([created()]).when(move_to(home())).then_nothing();
    given::<Task>(task_that_is(Status::Done)).when(move_to(home())).then_nothing();
}

#[test]
fn a_task_does_not_move_into_a_project_that_rests_or_is_gone_or_is_elsewhere() {
    for (unfit, refusal) in unfit_homes() {
        given::<Task>([created()]).when(move_to(Home { id: BORA, ..unfit })).then_refused(refusal);
    }
}

// Closed tasks

/// Commands that plan anew, each with something to do on a task that Anna is assigned to.
fn plans() -> [TaskCommand; 5] {
    [TaskCommand::Assign(BEN), TaskCommand::Unassign(ANNA), to_be_due("2031-04-30"), TaskCommand::ClearDue, to_move(&other_home())]
}

#[test]
fn what_is_done_is_not_planned_anew() {
    for plan in plans() {
        given::<Task>([created(), assigned(ANNA), completed()]).when(sent(plan)).then_refused(TaskError::TaskDone);
    }
}

#[test]
fn what_is_cancelled_or_open_again_may_be_planned_anew() {
    let cancelled = vec![created(), assigned(ANNA), status_changed(Status::Todo, Status::Cancelled)];
    let reopened = vec![created(), assigned(ANNA), completed(), reopened(Status::Done)];
    for history in [cancelled, reopened] {
        for plan in plans() {
            assert_eq!(given::<Task>(history.clone()).when(sent(plan)).events().len(), 1);
        }
    }
}

#[test]
fn a_plan_that_a_done_task_has_is_no_new_plan() {
    let done = || [created(), assigned(ANNA), completed()];
    for same in [TaskCommand::Assign(ANNA), TaskCommand::Unassign(BEN), to_be_due("2031-03-31")] {
        given::<Task>(done()).when(sent(same)).then_nothing();
    }
}
