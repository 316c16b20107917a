use super::{Golden, PROJECT, TASK, WORKSPACE, end_of_march, half_an_hour_ahead, noon_in_april, six_hours_ahead, three_days_ahead};
use crate::event::Event;
use crate::schedule::{
    DeadlineApproaching, DeadlineMet, DeadlineOverdue, Place, ScheduleChanges, ScheduleCreated, ScheduleDeleted, ScheduleEvent,
    ScheduleReopened, ScheduleRescheduled, ScheduleUpdated, Subject,
};
use crate::testing::{day, instant, text};
use crate::values::{Change, Due, ResolvedThreshold, ThresholdUnit};

pub(super) fn goldens() -> Vec<Golden> {
    let events = [
        ("schedule_created.1", ScheduleEvent::ScheduleCreated(Box::new(created(Subject::Task { task_id: TASK })))),
        ("schedule_created.1.minimal", ScheduleEvent::ScheduleCreated(Box::new(milestone()))),
        ("schedule_created.1.project", ScheduleEvent::ScheduleCreated(Box::new(created(Subject::Project { project_id: PROJECT })))),
        ("schedule_created.1.task_due_date", ScheduleEvent::ScheduleCreated(Box::new(follower()))),
        ("schedule_updated.1", ScheduleEvent::ScheduleUpdated(Box::new(ScheduleUpdated { changes: changes() }))),
        ("schedule_updated.1.minimal", ScheduleEvent::ScheduleUpdated(Box::new(ScheduleUpdated { changes: one_change() }))),
        ("schedule_rescheduled.1", rescheduled(end_of_february(), end_of_march(), all_thresholds())),
        ("schedule_rescheduled.1.minimal", rescheduled(noon_in_april(), noon_in_may(), vec![])),
        ("schedule_reopened.1", reopened(end_of_march(), all_thresholds())),
        ("schedule_reopened.1.minimal", reopened(noon_in_april(), vec![])),
        ("schedule_deleted.1", ScheduleEvent::ScheduleDeleted(ScheduleDeleted { title: text("Hall painted") })),
        ("deadline_approaching.1", approaching(of_a_task(), end_of_march(), three_days_ahead())),
        ("deadline_approaching.1.minimal", approaching(Place::default(), noon_in_april(), a_day_before_noon())),
        ("deadline_overdue.1", overdue(of_a_task(), end_of_march())),
        ("deadline_overdue.1.minimal", overdue(Place::default(), noon_in_april())),
        ("deadline_met.1", met(end_of_march())),
        ("deadline_met.1.minimal", met(noon_in_april())),
    ];
    events.map(|(name, event)| (name, Event::Schedule(event))).into()
}

fn of_a_task() -> Place {
    Place { project_id: Some(PROJECT), task_id: Some(TASK) }
}

fn all_thresholds() -> Vec<ResolvedThreshold> {
    vec![three_days_ahead(), six_hours_ahead(), half_an_hour_ahead()]
}

fn end_of_february() -> Due {
    Due { at: instant("2031-02-28T23:00:00Z"), date: Some(day("2031-02-28")), ..end_of_march() }
}

fn noon_in_may() -> Due {
    Due { at: instant("2031-05-15T10:00:00Z"), ..noon_in_april() }
}

fn a_day_before_noon() -> ResolvedThreshold {
    ResolvedThreshold { amount: 24, unit: ThresholdUnit::Hours, at: instant("2031-04-14T10:00:00.500Z") }
}

fn milestone() -> ScheduleCreated {
    ScheduleCreated {
        workspace_id: WORKSPACE,
        subject: Subject::Milestone,
        place: Place::default(),
        title: text("Hall opens"),
        due: noon_in_april(),
        due_revision: 1,
        thresholds: vec![],
        project_at_rest: false,
    }
}

fn created(subject: Subject) -> ScheduleCreated {
    ScheduleCreated {
        subject,
        place: Place { project_id: Some(PROJECT), task_id: subject.task_id() },
        title: text("Hall painted"),
        due: end_of_march(),
        thresholds: all_thresholds(),
        ..milestone()
    }
}

fn follower() -> ScheduleCreated {
    ScheduleCreated { thresholds: vec![three_days_ahead()], project_at_rest: true, ..created(Subject::TaskDueDate { task_id: TASK }) }
}

fn changes() -> ScheduleChanges {
    ScheduleChanges {
        title: Some(Change { from: text("Hall painted"), to: text("Hall and stairs painted") }),
        thresholds: Some(Change { from: vec![three_days_ahead()], to: vec![six_hours_ahead(), half_an_hour_ahead()] }),
    }
}

fn one_change() -> ScheduleChanges {
    ScheduleChanges { thresholds: Some(Change { from: vec![three_days_ahead()], to: vec![] }), ..Default::default() }
}

fn rescheduled(from: Due, to: Due, thresholds: Vec<ResolvedThreshold>) -> ScheduleEvent {
    ScheduleEvent::ScheduleRescheduled(Box::new(ScheduleRescheduled { from, to, due_revision: 2, thresholds }))
}

fn reopened(due: Due, thresholds: Vec<ResolvedThreshold>) -> ScheduleEvent {
    ScheduleEvent::ScheduleReopened(Box::new(ScheduleReopened { title: text("Hall painted"), due, due_revision: 3, thresholds }))
}

fn approaching(place: Place, due: Due, reached: ResolvedThreshold) -> ScheduleEvent {
    ScheduleEvent::DeadlineApproaching(Box::new(DeadlineApproaching {
        place,
        title: text("Hall painted"),
        due,
        due_revision: 2,
        threshold: reached.lead(),
        scheduled_for: reached.at,
        late_by_ms: 1_250,
    }))
}

fn overdue(place: Place, due: Due) -> ScheduleEvent {
    ScheduleEvent::DeadlineOverdue(Box::new(DeadlineOverdue { place, title: text("Hall painted"), due, due_revision: 2, late_by_ms: 480 }))
}

fn met(due: Due) -> ScheduleEvent {
    ScheduleEvent::DeadlineMet(DeadlineMet {
        title: text("Hall painted"),
        due,
        due_revision: 2,
        met_at: instant("2031-03-30T08:15:00.750Z"),
    })
}
