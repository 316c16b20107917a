//! The statuses of a task: changing, completing and reopening.

use super::*;
use crate::rule::Rule;
use crate::testing::at;

/// What comes of each change of status, from the row to the column: `.` nothing, `c` task_status_changed,
/// `d` task_completed, `x` TRANSITION_NOT_ALLOWED.
const TRANSITIONS: [(Status, &str); 6] = [
    //                   todo, in progress, in review, blocked, done, cancelled
    (Status::Todo, "      .    c            c          c        d     c"),
    (Status::InProgress, "c    .            c          c        d     c"),
    (Status::InReview, "  c    c            .          c        d     c"),
    (Status::Blocked, "   c    c            c          .        d     c"),
    (Status::Done, "      x    x            x          x        .     x"),
    (Status::Cancelled, " x    x            x          x        x     ."),
];

#[test]
fn every_status_becomes_what_the_table_says() {
    for (from, row) in TRANSITIONS {
        let row = row.split_whitespace().collect::<Vec<_>>();
        assert_eq!(row.len(), Status::ALL.len());
        for (to, what) in Status::ALL.into_iter().zip(row) {
            let then = given::<Task>(task_that_is(from)).when(sent(to_become(to)));
            match what {
                "." => then.then_nothing(),
                "c" => then.then([status_changed(from, to)]),
                "d" => then.then([completed_from(from)]),
                "x" => then.then_refused(TaskError::TransitionNotAllowed { from, to }),
                other => panic!("{other:?} is not in the legend"),
            }
        }
    }
}

#[test]
fn a_refused_change_names_from_and_to_and_what_is_allowed() {
    let refused = |from, to| TaskError::TransitionNotAllowed { from, to }.to_string();
    assert_eq!(refused(Status::Done, Status::InReview), "a task with status done cannot change to in_review; it can only be reopened");
    assert_eq!(refused(Status::Cancelled, Status::Done), "a task with status cancelled cannot change to done; it can only be reopened");
    assert_eq!(
        refused(Status::InReview, Status::Done),
        "a task with status in_review cannot change to done; allowed are todo, in_progress, blocked, done, cancelled"
    );
}

#[test]
fn what_is_said_to_be_allowed_is_what_the_table_allows() {
    for (from, row) in TRANSITIONS {
        let allowed = Status::ALL.into_iter().zip(row.split_whitespace()).filter(|(_, what)| ["c", "d"].contains(what));
        assert_eq!(from.may_become(), allowed.map(|(to, _)| to).collect::<Vec<_>>(), "from {from:?}");
    }
}

// Blocked

fn blocked_for(reason: &str) -> TaskCommand {
    TaskCommand::ChangeStatus(ChangeStatus { to: Status::Blocked, blocked_reason: Some(text(reason)) })
}

fn without_reason(to: Status) -> TaskCommand {
    TaskCommand::ChangeStatus(ChangeStatus { to, blocked_reason: None })
}

#[test]
fn blocking_needs_a_reason() {
    for status in [Status::Todo, Status::InProgress, Status::InReview] {
        given::<Task>(task_that_is(status)).when(sent(without_reason(Status::Blocked))).then_refused(TaskError::ReasonMissing);
    }
}

#[test]
fn a_closed_task_is_not_blocked_whether_or_not_there_is_a_reason() {
    for from in [Status::Done, Status::Cancelled] {
        for command in [without_reason(Status::Blocked), to_become(Status::Blocked)] {
            let refusal = TaskError::TransitionNotAllowed { from, to: Status::Blocked };
            given::<Task>(task_that_is(from)).when(sent(command)).then_refused(refusal);
        }
    }
}

#[test]
fn a_reason_goes_with_blocked_alone() {
    for from in Status::ALL.into_iter().filter(|from| !from.is_closed()) {
        for to in Status::ALL.into_iter().filter(|to| *to != Status::Blocked) {
            let command = TaskCommand::ChangeStatus(ChangeStatus { to, blocked_reason: Some(no_paint()) });
            given::<Task>(task_that_is(from)).when(sent(command)).then_refused(TaskError::ReasonWithoutBlock);
        }
    }
}

#[test]
fn a_blocked_task_may_be_blocked_for_another_reason() {
    let (from, to) = (Status::Blocked, Status::Blocked);
    given::<Task>(task_that_is(Status::Blocked))
        .when(sent(blocked_for("no brush")))
        .then([TaskEvent::TaskStatusChanged(TaskStatusChanged { from, to, blocked_reason: Some(text("no brush")) })]);
}

#[test]
fn a_blocked_task_is_blocked_already_for_the_same_reason_or_for_none_given() {
    for command in [blocked_for("no paint"), without_reason(Status::Blocked)] {
        given::<Task>(task_that_is(Status::Blocked)).when(sent(command)).then_nothing();
    }
}

#[test]
fn a_reason_ends_with_its_block() {
    for command in [to_become(Status::InProgress), to_become(Status::Cancelled), TaskCommand::Complete] {
        let Task::Live(live) = given::<Task>(task_that_is(Status::Blocked)).when(sent(command)).state() else { panic!("it is gone") };
        assert_eq!(live.blocked_reason, None);
    }
}

// Complete

#[test]
fn a_completion_counts_its_milliseconds_from_creation() {
    for (status, moment, time_to_complete_ms) in [
        (Status::Todo, "2031-03-01T12:00:00Z", 0),
        (Status::InProgress, "2031-03-01T12:00:00.001Z", 1),
        (Status::InReview, "2031-03-02T12:00:01.234Z", 86_401_234),
        (Status::Blocked, "2131-03-01T12:00:00Z", 3_155_673_600_000),
        // Imported history can be out of order.
        (Status::Todo, "2031-03-01T11:59:59Z", 0),
    ] {
        let completed = TaskCompleted { title: text("Paint the hall"), from: status, completed_at: instant(moment), time_to_complete_ms };
        given::<Task>(task_that_is(status))
            .when(at(moment, TaskCommand::Complete).in_context(TaskContext::new(home())))
            .then([TaskEvent::TaskCompleted(completed)]);
    }
}

#[test]
fn the_time_to_complete_counts_from_creation_even_after_reopening() {
    let moment = "2031-03-03T12:00:00Z";
    let events = given::<Task>([created(), completed(), reopened(Status::Done)])
        .when(at(moment, TaskCommand::Complete).in_context(TaskContext::new(home())))
        .events();
    let [TaskEvent::TaskCompleted(completed)] = &events[..] else { panic!("not completed: {events:?}") };
    assert_eq!(completed.time_to_complete_ms, 2 * 86_400_000);
}

#[test]
fn a_task_is_completed_once() {
    for command in [TaskCommand::Complete, to_become(Status::Done)] {
        given::<Task>(task_that_is(Status::Done)).when(sent(command)).then_nothing();
    }
}

#[test]
fn a_cancelled_task_is_not_completed() {
    given::<Task>(task_that_is(Status::Cancelled))
        .when(sent(TaskCommand::Complete))
        .then_refused(TaskError::TransitionNotAllowed { from: Status::Cancelled, to: Status::Done });
}

// Reopen

#[test]
fn a_closed_task_is_reopened_to_do() {
    for from in [Status::Done, Status::Cancelled] {
        let then = given::<Task>(task_that_is(from)).when(sent(TaskCommand::Reopen));
        then.then([reopened(from)]);
        let Task::Live(live) = given::<Task>(task_that_is(from)).when(sent(TaskCommand::Reopen)).state() else { panic!("it is gone") };
        assert_eq!(live.status, Status::Todo);
    }
}

#[test]
fn an_open_task_is_not_reopened() {
    for status in [Status::Todo, Status::InProgress, Status::InReview, Status::Blocked] {
        given::<Task>(task_that_is(status)).when(sent(TaskCommand::Reopen)).then_nothing();
    }
}

// Words

#[test]
fn a_status_has_one_word_and_one_code_for_its_refusals() {
    let words = Status::ALL.map(Status::word);
    assert_eq!(words, ["todo", "in_progress", "in_review", "blocked", "done", "cancelled"]);
    for status in Status::ALL {
        assert_eq!(serde_json::to_value(status).expect("a word"), serde_json::Value::from(status.word()));
        assert_eq!(TaskError::TransitionNotAllowed { from: status, to: Status::Todo }.code(), "TRANSITION_NOT_ALLOWED");
    }
}
