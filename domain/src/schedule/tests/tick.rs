//! Passing time: what fires, when, and what never does.

use super::*;

const THREE_DAYS_AHEAD: &str = "2031-03-07T23:00:00Z";
const ONE_DAY_AHEAD: &str = "2031-03-09T23:00:00Z";
const DUE: &str = "2031-03-10T23:00:00Z";

fn tick_at(moment: &str, subject: Subject) -> Issued<ScheduleCommand, ScheduleContext> {
    at(moment, ScheduleCommand::Tick).in_context(about(subject))
}

fn not_yet(next: &str) -> ScheduleError {
    ScheduleError::NotYetDue(instant(next))
}

#[test]
fn nothing_fires_before_its_moment() {
    let [three, one] = [&thresholds()[0], &thresholds()[1]].map(|reached| approaching(OF_PROJECT, *reached, 0));
    for (history, moment, next) in [
        (vec![], SOME_DAY, THREE_DAYS_AHEAD),
        (vec![], "2031-03-07T22:59:59.999Z", THREE_DAYS_AHEAD),
        (vec![three.clone()], THREE_DAYS_AHEAD, ONE_DAY_AHEAD),
        (vec![three, one.clone()], "2031-03-10T22:59:59.999Z", DUE),
        (vec![one], ONE_DAY_AHEAD, DUE),
    ] {
        let history = [created(OF_PROJECT)].into_iter().chain(history);
        given::<Schedule>(history).when(tick_at(moment, OF_PROJECT)).then_refused(not_yet(next));
    }
}

#[test]
fn each_moment_fires_when_it_is_reached() {
    let [three, one] = [thresholds()[0], thresholds()[1]];
    for subject in [Subject::Milestone, OF_PROJECT, OF_TASK, FOLLOWER] {
        given::<Schedule>([created(subject)]).when(tick_at(THREE_DAYS_AHEAD, subject)).then([approaching(subject, three, 0)]);
        given::<Schedule>([created(subject), approaching(subject, three, 0)])
            .when(tick_at(ONE_DAY_AHEAD, subject))
            .then([approaching(subject, one, 0)]);
        given::<Schedule>([created(subject), approaching(subject, three, 0), approaching(subject, one, 0)])
            .when(tick_at(DUE, subject))
            .then([overdue(subject, 0)]);
    }
}

#[test]
fn a_late_tick_says_how_late_it_is() {
    given::<Schedule>([created(OF_PROJECT)]).when(tick_at("2031-03-07T23:00:01.234Z", OF_PROJECT)).then([approaching(
        OF_PROJECT,
        thresholds()[0],
        1_234,
    )]);
    given::<Schedule>([created(OF_PROJECT)]).when(tick_at("2031-03-12T23:00:00Z", OF_PROJECT)).then([overdue(OF_PROJECT, 2 * 86_400_000)]);
}

#[test]
fn after_downtime_only_the_most_severe_moment_fires_and_the_others_never_do() {
    let one = thresholds()[1];
    given::<Schedule>([created(OF_PROJECT)])
        .when(tick_at("2031-03-10T00:00:00Z", OF_PROJECT))
        .then([approaching(OF_PROJECT, one, 3_600_000)]);
    given::<Schedule>([created(OF_PROJECT), approaching(OF_PROJECT, one, 3_600_000)])
        .when(tick_at("2031-03-10T00:00:00Z", OF_PROJECT))
        .then_refused(not_yet(DUE));
    given::<Schedule>([created(OF_PROJECT)]).when(tick_at("2031-03-11T00:00:00Z", OF_PROJECT)).then([overdue(OF_PROJECT, 3_600_000)]);
}

#[test]
fn a_schedule_created_late_fires_its_most_severe_passed_moment_alone() {
    let then = given::<Schedule>([]).when(at("2031-03-09T23:30:00Z", to_create(create(OF_PROJECT))).in_context(about(OF_PROJECT)));
    then.then([created(OF_PROJECT)]);
    given::<Schedule>([created(OF_PROJECT)]).when(tick_at("2031-03-09T23:30:00Z", OF_PROJECT)).then([approaching(
        OF_PROJECT,
        thresholds()[1],
        1_800_000,
    )]);
}

#[test]
fn what_is_overdue_fires_no_more() {
    given::<Schedule>([created(OF_PROJECT), overdue(OF_PROJECT, 0)]).when(tick_at("2041-01-01T00:00:00Z", OF_PROJECT)).then_nothing();
}

#[test]
fn what_is_met_or_deleted_never_fires() {
    for end in [met(), deleted()] {
        for moment in [SOME_DAY, THREE_DAYS_AHEAD, "2041-01-01T00:00:00Z"] {
            given::<Schedule>([created(OF_PROJECT), end.clone()]).when(tick_at(moment, OF_PROJECT)).then_nothing();
        }
    }
}

#[test]
fn a_deleted_task_fires_nothing() {
    for subject in [OF_TASK, FOLLOWER] {
        let context = ScheduleContext { task: Some(task(None)), ..about(subject) };
        given::<Schedule>([created(subject)])
            .when(at(DUE, ScheduleCommand::Tick).in_context(context))
            .then_refused(ScheduleError::TaskDeleted);
    }
}

#[test]
fn a_project_that_goes_on_catches_up_with_its_most_severe_moment() {
    // The refusals in between are in `a_project_that_rests_or_is_gone_refuses_every_command_on_its_schedules`.
    given::<Schedule>([created(OF_PROJECT), approaching(OF_PROJECT, thresholds()[0], 0)])
        .when(tick_at("2031-04-10T23:00:00Z", OF_PROJECT))
        .then([overdue(OF_PROJECT, 31 * 86_400_000)]);
}

#[test]
fn rescheduling_voids_what_was_pending_and_lets_the_new_revision_fire() {
    let ScheduleEvent::DeadlineApproaching(first) = approaching(OF_PROJECT, later_thresholds()[0], 0) else { panic!("another event") };
    let first = DeadlineApproaching { due: twentieth_of_march(), due_revision: 2, ..*first };
    for fired in [vec![], vec![approaching(OF_PROJECT, thresholds()[0], 0)], vec![overdue(OF_PROJECT, 0)]] {
        let history = || [created(OF_PROJECT)].into_iter().chain(fired.clone()).chain([rescheduled()]);
        given::<Schedule>(history()).when(tick_at("2031-03-12T00:00:00Z", OF_PROJECT)).then_refused(not_yet("2031-03-17T23:00:00Z"));
        given::<Schedule>(history())
            .when(tick_at("2031-03-17T23:00:00Z", OF_PROJECT))
            .then([ScheduleEvent::DeadlineApproaching(Box::new(first.clone()))]);
    }
}

/// Thresholds changed to these leads after the first one fired.
fn warned_anew(thresholds: &[Threshold]) -> [ScheduleEvent; 3] {
    let warned = [created(OF_PROJECT), approaching(OF_PROJECT, self::thresholds()[0], 0)];
    let updated = given::<Schedule>(warned.clone()).when(sent(OF_PROJECT, to_warn(thresholds))).events().remove(0);
    let [created, approaching] = warned;
    [created, approaching, updated]
}

#[test]
fn a_threshold_that_comes_back_does_not_fire_again() {
    let history = warned_anew(&[lead(1, Days)]);
    let back = given::<Schedule>(history.clone()).when(sent(OF_PROJECT, to_warn(&[lead(3, Days), lead(1, Days)]))).events();
    given::<Schedule>(history.into_iter().chain(back))
        .when(tick_at("2031-03-08T00:00:00Z", OF_PROJECT))
        .then_refused(not_yet(ONE_DAY_AHEAD));
}

#[test]
fn a_threshold_set_behind_the_last_firing_never_fires() {
    given::<Schedule>(warned_anew(&[lead(5, Days)])).when(tick_at("2031-03-08T00:00:00Z", OF_PROJECT)).then_refused(not_yet(DUE));
}

#[test]
fn a_threshold_set_ahead_of_the_last_firing_fires_even_if_its_moment_has_passed() {
    let two = reached(lead(2, Days), "2031-03-08T23:00:00Z");
    given::<Schedule>(warned_anew(&[lead(2, Days)]))
        .when(tick_at("2031-03-09T00:00:00Z", OF_PROJECT))
        .then([approaching(OF_PROJECT, two, 3_600_000)]);
}

#[test]
fn a_threshold_that_falls_on_the_due_moment_is_the_due_moment() {
    // The day before does not exist in Apia, so "one day ahead" is the due moment itself.
    let due = Due::on(day("2011-12-30"), Tz::Pacific__Apia);
    let thresholds = leads(&[lead(1, Days)]).resolve(&due);
    assert_eq!(thresholds[0].at, due.at);
    let event = ScheduleCreated { due, thresholds, ..creation(Subject::Milestone) };
    let events = given::<Schedule>([ScheduleEvent::ScheduleCreated(Box::new(event))])
        .when(tick_at("2011-12-30T10:00:00Z", Subject::Milestone))
        .events();
    assert!(matches!(&events[..], [ScheduleEvent::DeadlineOverdue(_)]), "{events:?}");
}

#[test]
fn the_next_moment_is_the_earliest_that_may_still_fire() {
    let next = |history: Vec<ScheduleEvent>| match history.into_iter().fold(Schedule::Absent, evolve) {
        Schedule::Present(live) => live.next_fire_at(),
        Schedule::Absent => panic!("it is not there"),
    };
    let [three, one] = [thresholds()[0], thresholds()[1]].map(|reached| approaching(OF_PROJECT, reached, 0));
    for (history, expected) in [
        (vec![], Some(THREE_DAYS_AHEAD)),
        (vec![three.clone()], Some(ONE_DAY_AHEAD)),
        (vec![one.clone()], Some(DUE)),
        (vec![one, overdue(OF_PROJECT, 0)], None),
        (vec![met()], None),
        (vec![deleted()], None),
        (vec![three, rescheduled()], Some("2031-03-17T23:00:00Z")),
    ] {
        let history = [created(OF_PROJECT)].into_iter().chain(history).collect::<Vec<_>>();
        assert_eq!(next(history.clone()), expected.map(instant), "after {history:?}");
    }
}

#[test]
fn a_follower_whose_task_is_closed_waits_to_be_met_or_deleted_and_does_not_fire() {
    for status in [Status::Done, Status::Cancelled] {
        let closed = ScheduleContext { task: Some(task(Some(Plan { status, ..plan() }))), ..about(FOLLOWER) };
        given::<Schedule>([created(FOLLOWER)])
            .when(at(DUE, ScheduleCommand::Tick).in_context(closed))
            .then_refused(ScheduleError::TaskClosed);
        // A schedule that somebody set on the task is met by hand, whatever became of the task.
        let by_hand = ScheduleContext { task: Some(task(Some(Plan { status, ..plan() }))), ..about(OF_TASK) };
        given::<Schedule>([created(OF_TASK)]).when(at(DUE, ScheduleCommand::Tick).in_context(by_hand)).then([overdue(OF_TASK, 0)]);
    }
}
