//! given / when / then: for every command what the rules allow, what they forbid, and when there is nothing to do.
//! Firing is in `tick`, the schedule that follows a task in `follow`; random histories are in `sequences` and `in_step`.

mod follow;
mod in_step;
mod sequences;
mod tick;

use super::*;
use crate::ids::TaskId;
use crate::issued::Issued;
use crate::project::Phase;
use crate::task::Status;
use crate::testing::{
    APOLLO, BEN, BORA, ELSEWHERE, HERE, SOME_DAY, at, day, given, home, home_elsewhere, home_that_is, instant, issued, issued_elsewhere,
    text,
};
use crate::values::{Assignees, Change, Due, DueRequest, ResolvedThreshold, Threshold, ThresholdUnit, Thresholds};
use ThresholdUnit::{Days, Hours};
use chrono_tz::Tz;
use uuid::Uuid;

const PAINT: TaskId = TaskId(Uuid::from_u128(0x9A17));
const OF_PROJECT: Subject = Subject::Project { project_id: APOLLO };
const OF_TASK: Subject = Subject::Task { task_id: PAINT };
const FOLLOWER: Subject = Subject::TaskDueDate { task_id: PAINT };
/// Every subject but the one that follows a task.
const OWN_SUBJECTS: [Subject; 3] = [Subject::Milestone, OF_PROJECT, OF_TASK];

/// The end of the tenth of March in Zurich, at 23:00 UTC.
fn tenth_of_march() -> Due {
    Due::on(day("2031-03-10"), Tz::Europe__Zurich)
}

fn twentieth_of_march() -> Due {
    Due::on(day("2031-03-20"), Tz::Europe__Zurich)
}

fn on(date: &str) -> DueRequest {
    DueRequest::On(day(date), None)
}

fn lead(amount: u32, unit: ThresholdUnit) -> Threshold {
    Threshold { amount, unit }
}

fn leads(leads: &[Threshold]) -> Thresholds {
    Thresholds::new(leads.to_vec()).expect("at most twenty")
}

fn reached(Threshold { amount, unit }: Threshold, at: &str) -> ResolvedThreshold {
    ResolvedThreshold { amount, unit, at: instant(at) }
}

/// Three days and one day before the tenth of March.
fn thresholds() -> Vec<ResolvedThreshold> {
    vec![reached(lead(3, Days), "2031-03-07T23:00:00Z"), reached(lead(1, Days), "2031-03-09T23:00:00Z")]
}

/// The same before the twentieth of March.
fn later_thresholds() -> Vec<ResolvedThreshold> {
    vec![reached(lead(3, Days), "2031-03-17T23:00:00Z"), reached(lead(1, Days), "2031-03-19T23:00:00Z")]
}

fn place_of(subject: Subject) -> Place {
    let project_id = (subject != Subject::Milestone).then_some(APOLLO);
    Place { project_id, task_id: subject.task_id() }
}

/// What a deadline is about, of a subject that is as `about` has it.
fn context_of(subject: Subject) -> DeadlineContext {
    let (home, task) = (home(), subject.task_id());
    DeadlineContext {
        project_id: place_of(subject).project_id,
        project_key: (subject != Subject::Milestone).then_some(home.key),
        task_id: task,
        task_number: task.map(|_| plan().number),
        assignee_ids: task.map(|_| plan().assignee_ids).unwrap_or_default(),
    }
}

fn creation(subject: Subject) -> ScheduleCreated {
    ScheduleCreated {
        workspace_id: HERE,
        subject,
        place: place_of(subject),
        title: text("Hall painted"),
        due: tenth_of_march(),
        due_revision: 1,
        thresholds: thresholds(),
        project_at_rest: false,
    }
}

fn created(subject: Subject) -> ScheduleEvent {
    ScheduleEvent::ScheduleCreated(Box::new(creation(subject)))
}

fn updated(changes: ScheduleChanges) -> ScheduleEvent {
    ScheduleEvent::ScheduleUpdated(Box::new(ScheduleUpdated { changes }))
}

fn rescheduled() -> ScheduleEvent {
    ScheduleEvent::ScheduleRescheduled(Box::new(ScheduleRescheduled {
        from: tenth_of_march(),
        to: twentieth_of_march(),
        due_revision: 2,
        thresholds: later_thresholds(),
    }))
}

fn met() -> ScheduleEvent {
    met_as(OF_PROJECT, tenth_of_march(), 1, SOME_DAY)
}

fn met_as(subject: Subject, due: Due, due_revision: u32, met_at: &str) -> ScheduleEvent {
    let (about, met_at) = (context_of(subject), instant(met_at));
    ScheduleEvent::DeadlineMet(Box::new(DeadlineMet { about, title: text("Hall painted"), due, due_revision, met_at }))
}

fn deleted() -> ScheduleEvent {
    ScheduleEvent::ScheduleDeleted(ScheduleDeleted { title: text("Hall painted") })
}

/// The threshold of three or one days reached, that many milliseconds late.
fn approaching(subject: Subject, reached: ResolvedThreshold, late_by_ms: i64) -> ScheduleEvent {
    ScheduleEvent::DeadlineApproaching(Box::new(DeadlineApproaching {
        about: context_of(subject),
        title: text("Hall painted"),
        due: tenth_of_march(),
        due_revision: 1,
        threshold: reached.lead(),
        scheduled_for: reached.at,
        late_by_ms,
    }))
}

fn overdue(subject: Subject, late_by_ms: i64) -> ScheduleEvent {
    ScheduleEvent::DeadlineOverdue(Box::new(DeadlineOverdue {
        about: context_of(subject),
        title: text("Hall painted"),
        due: tenth_of_march(),
        due_revision: 1,
        late_by_ms,
    }))
}

/// The task as planned, due on the tenth of March.
fn plan() -> Plan {
    Plan {
        number: 12,
        title: text("Hall painted"),
        due: Some(tenth_of_march()),
        status: Status::Todo,
        completed_at: None,
        assignee_ids: Assignees::new([BEN]).expect("one person"),
    }
}

fn task(plan: Option<Plan>) -> FollowedTask {
    FollowedTask { id: PAINT, workspace_id: HERE, project_id: APOLLO, plan }
}

/// What a schedule is about, all of it present and active.
fn about(subject: Subject) -> ScheduleContext {
    ScheduleContext { home: (subject != Subject::Milestone).then(home), task: subject.task_id().map(|_| task(Some(plan()))) }
}

fn sent(subject: Subject, command: ScheduleCommand) -> Issued<ScheduleCommand, ScheduleContext> {
    issued(command).in_context(about(subject))
}

/// The command that results in `creation`.
fn create(subject: Subject) -> CreateSchedule {
    CreateSchedule {
        project_id: subject.project_id(),
        task_id: subject.task_id(),
        title: text("Hall painted"),
        due: DueRequest::On(day("2031-03-10"), Some(Tz::Europe__Zurich)),
        thresholds: leads(&[lead(3, Days), lead(1, Days)]),
    }
}

fn to_create(create: CreateSchedule) -> ScheduleCommand {
    ScheduleCommand::Create(Box::new(create))
}

fn to_retitle(title: &str) -> ScheduleCommand {
    ScheduleCommand::Update(UpdateSchedule { title: Some(text(title)), thresholds: None })
}

fn to_warn(thresholds: &[Threshold]) -> ScheduleCommand {
    ScheduleCommand::Update(UpdateSchedule { title: None, thresholds: Some(leads(thresholds)) })
}

/// Commands of people on a schedule that exists.
fn commands_of_people() -> [ScheduleCommand; 4] {
    [to_retitle("Hall done"), ScheduleCommand::Reschedule(on("2031-03-20")), ScheduleCommand::Meet, ScheduleCommand::Delete]
}

/// Those and the tick.
fn commands_on_a_schedule() -> impl Iterator<Item = ScheduleCommand> {
    commands_of_people().into_iter().chain([ScheduleCommand::Tick])
}

// Create

#[test]
fn a_schedule_is_about_a_project_a_task_or_nothing_but_itself() {
    for subject in OWN_SUBJECTS {
        given::<Schedule>([]).when(sent(subject, to_create(create(subject)))).then([created(subject)]);
    }
}

#[test]
fn a_schedule_of_a_task_may_name_the_tasks_project_too() {
    let both = CreateSchedule { project_id: Some(APOLLO), ..create(OF_TASK) };
    given::<Schedule>([]).when(sent(OF_TASK, to_create(both))).then([created(OF_TASK)]);
}

#[test]
fn a_schedule_of_a_task_names_no_other_project() {
    let other = CreateSchedule { project_id: Some(BORA), ..create(OF_TASK) };
    given::<Schedule>([]).when(sent(OF_TASK, to_create(other))).then_refused(ScheduleError::OtherProject);
}

#[test]
fn a_schedule_needs_its_task_to_be_there() {
    let elsewhere = FollowedTask { workspace_id: ELSEWHERE, ..task(Some(plan())) };
    for (task, refusal) in [
        (None, ScheduleError::TaskNotFound),
        (Some(elsewhere), ScheduleError::TaskNotFound),
        (Some(task(None)), ScheduleError::TaskDeleted),
    ] {
        let command = issued(to_create(create(OF_TASK))).in_context(ScheduleContext { task, ..about(OF_TASK) });
        given::<Schedule>([]).when(command).then_refused(refusal);
    }
}

#[test]
fn a_schedule_needs_its_project_to_be_there_and_active() {
    for (home, refusal) in [
        (None, ScheduleError::ProjectNotFound),
        (Some(home_elsewhere()), ScheduleError::ProjectNotFound),
        (Some(home_that_is(Phase::Archived)), ScheduleError::ProjectArchived),
        (Some(home_that_is(Phase::Deleted)), ScheduleError::ProjectDeleted),
    ] {
        for subject in [OF_PROJECT, OF_TASK] {
            let command = issued(to_create(create(subject))).in_context(ScheduleContext { home: home.clone(), ..about(subject) });
            given::<Schedule>([]).when(command).then_refused(refusal.clone());
        }
    }
}

#[test]
fn a_schedule_warns_three_days_ahead_unless_it_is_told_otherwise() {
    for (requested, thresholds) in [(Thresholds::default(), thresholds()[..1].to_vec()), (leads(&[]), vec![])] {
        let event = ScheduleCreated { thresholds, ..creation(Subject::Milestone) };
        given::<Schedule>([])
            .when(sent(Subject::Milestone, to_create(CreateSchedule { thresholds: requested, ..create(Subject::Milestone) })))
            .then([ScheduleEvent::ScheduleCreated(Box::new(event))]);
    }
}

#[test]
fn a_date_ends_in_the_zone_of_the_project_and_of_a_milestone_in_utc() {
    let noon = instant("2031-03-10T12:00:00Z");
    for (subject, due, expected) in [
        (OF_PROJECT, on("2031-03-10"), tenth_of_march()),
        (OF_TASK, on("2031-03-10"), tenth_of_march()),
        (Subject::Milestone, on("2031-03-10"), Due::on(day("2031-03-10"), Tz::UTC)),
        (OF_PROJECT, DueRequest::At(noon), Due::at(noon, Tz::Europe__Zurich)),
        (Subject::Milestone, DueRequest::At(noon), Due::at(noon, Tz::UTC)),
    ] {
        let event = ScheduleCreated { due: expected, thresholds: vec![], ..creation(subject) };
        given::<Schedule>([])
            .when(sent(subject, to_create(CreateSchedule { due, thresholds: leads(&[]), ..create(subject) })))
            .then([ScheduleEvent::ScheduleCreated(Box::new(event))]);
    }
}

#[test]
fn an_id_names_one_schedule_for_ever() {
    for history in [vec![created(OF_PROJECT)], vec![created(OF_PROJECT), deleted()]] {
        given::<Schedule>(history.clone()).when(sent(OF_PROJECT, to_create(create(OF_PROJECT)))).then_refused(ScheduleError::IdTaken);
        let elsewhere = issued_elsewhere(to_create(create(Subject::Milestone))).in_context(about(Subject::Milestone));
        given::<Schedule>(history).when(elsewhere).then_refused(ScheduleError::IdTaken);
    }
}

// What is not there, and projects that are not active

#[test]
fn a_schedule_that_was_never_created_is_not_found() {
    for command in commands_on_a_schedule() {
        given::<Schedule>([]).when(sent(OF_PROJECT, command)).then_refused(ScheduleError::NotFound);
    }
}

#[test]
fn a_schedule_of_another_workspace_is_not_found() {
    for command in commands_on_a_schedule().chain([ScheduleCommand::Follow]) {
        for subject in [Subject::Milestone, OF_PROJECT, OF_TASK, FOLLOWER] {
            given::<Schedule>([created(subject)])
                .when(issued_elsewhere(command.clone()).in_context(about(subject)))
                .then_refused(ScheduleError::NotFound);
        }
    }
}

#[test]
fn a_project_that_rests_or_is_gone_refuses_every_command_on_its_schedules() {
    for (home, refusal) in [
        (home_elsewhere(), ScheduleError::ProjectNotFound),
        (home_that_is(Phase::Archived), ScheduleError::ProjectArchived),
        (home_that_is(Phase::Deleted), ScheduleError::ProjectDeleted),
    ] {
        for subject in [OF_PROJECT, OF_TASK, FOLLOWER] {
            for command in commands_on_a_schedule() {
                for history in [vec![created(subject)], vec![created(subject), met()], vec![created(subject), deleted()]] {
                    let context = ScheduleContext { home: Some(home.clone()), ..about(subject) };
                    given::<Schedule>(history)
                        .when(at("2031-03-11T00:00:00Z", command.clone()).in_context(context))
                        .then_refused(refusal.clone());
                }
            }
        }
    }
}

#[test]
fn a_deleted_schedule_refuses_all_but_deletion() {
    for command in [to_retitle("Hall done"), ScheduleCommand::Reschedule(on("2031-03-20")), ScheduleCommand::Meet] {
        for history in [vec![created(OF_PROJECT), deleted()], vec![created(OF_PROJECT), met(), deleted()]] {
            given::<Schedule>(history).when(sent(OF_PROJECT, command.clone())).then_refused(ScheduleError::ScheduleDeleted);
        }
    }
}

// Update

#[test]
fn an_update_is_one_event_that_says_what_each_field_was_and_became() {
    let update = UpdateSchedule { title: Some(text("Hall done")), thresholds: Some(leads(&[lead(6, Hours)])) };
    given::<Schedule>([created(OF_PROJECT)]).when(sent(OF_PROJECT, ScheduleCommand::Update(update))).then([updated(ScheduleChanges {
        title: Some(Change { from: text("Hall painted"), to: text("Hall done") }),
        thresholds: Some(Change { from: thresholds(), to: vec![reached(lead(6, Hours), "2031-03-10T17:00:00Z")] }),
    })]);
}

#[test]
fn an_update_leaves_out_what_stays_as_it_was() {
    let same = leads(&[lead(3, Days), lead(1, Days)]);
    given::<Schedule>([created(OF_PROJECT)])
        .when(sent(OF_PROJECT, ScheduleCommand::Update(UpdateSchedule { title: Some(text("Hall done")), thresholds: Some(same) })))
        .then([updated(ScheduleChanges { title: Some(Change { from: text("Hall painted"), to: text("Hall done") }), thresholds: None })]);
}

#[test]
fn an_update_to_what_already_is_changes_nothing() {
    for same in [to_retitle("Hall painted"), to_warn(&[lead(1, Days), lead(3, Days)]), ScheduleCommand::Update(UpdateSchedule::default())] {
        given::<Schedule>([created(OF_PROJECT)]).when(sent(OF_PROJECT, same)).then_nothing();
    }
}

#[test]
fn leads_are_the_same_even_where_newer_time_zone_data_would_move_them() {
    let recorded = vec![reached(lead(3, Days), "2031-03-07T22:00:00Z")];
    let event = ScheduleCreated { thresholds: recorded, ..creation(OF_PROJECT) };
    given::<Schedule>([ScheduleEvent::ScheduleCreated(Box::new(event))]).when(sent(OF_PROJECT, to_warn(&[lead(3, Days)]))).then_nothing();
}

#[test]
fn a_met_schedule_may_still_be_renamed() {
    assert_eq!(given::<Schedule>([created(OF_PROJECT), met()]).when(sent(OF_PROJECT, to_retitle("Hall done"))).events().len(), 1);
}

// Reschedule

#[test]
fn rescheduling_opens_a_new_revision_with_the_same_leads() {
    given::<Schedule>([created(OF_PROJECT)]).when(sent(OF_PROJECT, ScheduleCommand::Reschedule(on("2031-03-20")))).then([rescheduled()]);
}

#[test]
fn rescheduling_keeps_the_leads_that_are_stored_whatever_the_limit_is_now() {
    let many: Vec<ResolvedThreshold> = (1..=21).rev().map(|days| reached(lead(days, Days), "2031-02-01T00:00:00Z")).collect();
    let event = ScheduleEvent::ScheduleCreated(Box::new(ScheduleCreated { thresholds: many.clone(), ..creation(OF_PROJECT) }));
    let moved = given::<Schedule>([event]).when(sent(OF_PROJECT, ScheduleCommand::Reschedule(on("2031-03-20")))).events();
    let [ScheduleEvent::ScheduleRescheduled(moved)] = &moved[..] else { panic!("{moved:?}") };
    let leads = |thresholds: &[ResolvedThreshold]| thresholds.iter().map(ResolvedThreshold::lead).collect::<Vec<_>>();
    assert_eq!(leads(&moved.thresholds), leads(&many));
}

#[test]
fn each_rescheduling_opens_one_revision_more() {
    let back = ScheduleRescheduled { from: twentieth_of_march(), to: tenth_of_march(), due_revision: 3, thresholds: thresholds() };
    given::<Schedule>([created(OF_PROJECT), rescheduled()])
        .when(sent(OF_PROJECT, ScheduleCommand::Reschedule(on("2031-03-10"))))
        .then([ScheduleEvent::ScheduleRescheduled(Box::new(back))]);
}

#[test]
fn a_due_moment_that_it_has_is_no_new_revision() {
    given::<Schedule>([created(OF_PROJECT)]).when(sent(OF_PROJECT, ScheduleCommand::Reschedule(on("2031-03-10")))).then_nothing();
}

#[test]
fn an_overdue_schedule_may_be_rescheduled() {
    given::<Schedule>([created(OF_PROJECT), overdue(OF_PROJECT, 0)])
        .when(at("2031-03-11T00:00:00Z", ScheduleCommand::Reschedule(on("2031-03-20"))).in_context(about(OF_PROJECT)))
        .then([rescheduled()]);
}

#[test]
fn a_met_schedule_is_not_rescheduled() {
    given::<Schedule>([created(OF_PROJECT), met()])
        .when(sent(OF_PROJECT, ScheduleCommand::Reschedule(on("2031-03-20"))))
        .then_refused(ScheduleError::ScheduleMet);
}

// Meet

#[test]
fn a_schedule_is_met_in_time_or_late() {
    for (history, moment) in
        [(vec![created(OF_PROJECT)], SOME_DAY), (vec![created(OF_PROJECT), overdue(OF_PROJECT, 0)], "2031-03-11T00:00:00Z")]
    {
        let event = met_as(OF_PROJECT, tenth_of_march(), 1, moment);
        given::<Schedule>(history).when(at(moment, ScheduleCommand::Meet).in_context(about(OF_PROJECT))).then([event]);
    }
}

#[test]
fn meeting_names_the_revision_that_was_met() {
    let event = met_as(OF_PROJECT, twentieth_of_march(), 2, SOME_DAY);
    given::<Schedule>([created(OF_PROJECT), rescheduled()]).when(sent(OF_PROJECT, ScheduleCommand::Meet)).then([event]);
}

#[test]
fn a_schedule_is_met_once() {
    given::<Schedule>([created(OF_PROJECT), met()]).when(sent(OF_PROJECT, ScheduleCommand::Meet)).then_nothing();
}

// Delete

#[test]
fn a_schedule_is_deleted_whether_or_not_it_was_met() {
    for history in [vec![created(OF_PROJECT)], vec![created(OF_PROJECT), met()]] {
        given::<Schedule>(history).when(sent(OF_PROJECT, ScheduleCommand::Delete)).then([deleted()]);
    }
}

#[test]
fn a_schedule_is_deleted_once() {
    for history in [vec![created(OF_PROJECT), deleted()], vec![created(OF_PROJECT), met(), deleted()]] {
        given::<Schedule>(history).when(sent(OF_PROJECT, ScheduleCommand::Delete)).then_nothing();
    }
}
