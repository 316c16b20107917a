//! given / when / then: for every command what the rules allow, what they forbid, and when there is nothing to do.

mod sequences;

use super::*;
use crate::ids::UserId;
use crate::testing::{ANNA, APOLLO, BEN, HERE, day, given, issued, issued_elsewhere, text};
use crate::values::{Change, CollaboratorRole, DateSpan};
use CollaboratorRole::{Editor, Manager, Owner, Viewer};
use chrono_tz::Tz;
use uuid::Uuid;

fn created() -> ProjectEvent {
    ProjectEvent::ProjectCreated(Box::new(creation()))
}

/// March 2031 in Zurich, by Anna.
fn creation() -> ProjectCreated {
    ProjectCreated {
        workspace_id: HERE,
        key: text("APOLLO"),
        name: text("Apollo"),
        description: text("To the moon."),
        start_on: Some(day("2031-03-01")),
        due_on: Some(day("2031-03-31")),
        time_zone: Tz::Europe__Zurich,
        owner_id: ANNA,
    }
}

fn archived() -> ProjectEvent {
    ProjectEvent::ProjectArchived(ProjectArchived { key: text("APOLLO") })
}

fn unarchived() -> ProjectEvent {
    ProjectEvent::ProjectUnarchived(ProjectUnarchived { key: text("APOLLO") })
}

fn deleted() -> ProjectEvent {
    ProjectEvent::ProjectDeleted(ProjectDeleted { key: text("APOLLO"), name: text("Apollo") })
}

fn updated(changes: ProjectChanges) -> ProjectEvent {
    ProjectEvent::ProjectUpdated(Box::new(ProjectUpdated { changes }))
}

fn added(user_id: UserId, role: CollaboratorRole) -> ProjectEvent {
    ProjectEvent::ProjectCollaboratorAdded(CollaboratorAdded { user_id, role })
}

fn removed(user_id: UserId, role: CollaboratorRole) -> ProjectEvent {
    ProjectEvent::ProjectCollaboratorRemoved(CollaboratorRemoved { user_id, role })
}

fn role_changed(user_id: UserId, from: CollaboratorRole, to: CollaboratorRole) -> ProjectEvent {
    ProjectEvent::ProjectCollaboratorRoleChanged(CollaboratorRoleChanged { user_id, from, to })
}

/// The command that results in `created`.
fn create() -> CreateProject {
    let ProjectCreated { key, name, description, start_on, due_on, time_zone, .. } = creation();
    CreateProject { key, name, description, span: DateSpan { start_on, due_on }, time_zone }
}

fn to_create(create: CreateProject) -> ProjectCommand {
    ProjectCommand::Create(Box::new(create))
}

fn to_update(update: UpdateProject) -> ProjectCommand {
    ProjectCommand::Update(Box::new(update))
}

fn to_add(user_id: UserId, role: CollaboratorRole) -> ProjectCommand {
    ProjectCommand::AddCollaborator(AddCollaborator { user_id, role })
}

fn to_change_role(user_id: UserId, role: CollaboratorRole) -> ProjectCommand {
    ProjectCommand::ChangeCollaboratorRole(ChangeCollaboratorRole { user_id, role })
}

fn to_remove(user_id: UserId) -> ProjectCommand {
    ProjectCommand::RemoveCollaborator(RemoveCollaborator { user_id })
}

/// Every command but creation.
fn commands_on_a_project() -> [ProjectCommand; 7] {
    [
        to_update(UpdateProject { name: Some(text("Artemis")), ..Default::default() }),
        ProjectCommand::Archive,
        ProjectCommand::Unarchive,
        ProjectCommand::Delete,
        to_add(BEN, Editor),
        to_change_role(ANNA, Viewer),
        to_remove(ANNA),
    ]
}

// Create

#[test]
fn a_creation_is_one_event_and_its_creator_is_the_first_owner() {
    given::<Project>([]).when(issued(to_create(create()))).then([created()]);
    let project = given::<Project>([]).when(issued(to_create(create()))).state();
    let Project::Present(live) = project else { panic!("the project is not there") };
    assert_eq!(live.collaborators.into_iter().collect::<Vec<_>>(), [(ANNA, Owner)]);
    assert_eq!(live.phase, Phase::Active);
}

#[test]
fn a_project_may_last_one_day_or_have_no_dates() {
    let one_day = DateSpan { start_on: Some(day("2031-03-31")), due_on: Some(day("2031-03-31")) };
    let no_start = DateSpan { start_on: None, ..create().span };
    let no_end = DateSpan { due_on: None, ..create().span };
    for span in [one_day, no_start, no_end, DateSpan::default()] {
        let event = ProjectCreated { start_on: span.start_on, due_on: span.due_on, ..creation() };
        given::<Project>([])
            .when(issued(to_create(CreateProject { span, ..create() })))
            .then([ProjectEvent::ProjectCreated(Box::new(event))]);
    }
}

#[test]
fn a_project_does_not_end_before_it_starts() {
    let span = DateSpan { start_on: Some(day("2031-04-01")), ..create().span };
    given::<Project>([])
        .when(issued(to_create(CreateProject { span, ..create() })))
        .then_refused(ProjectError::DateRange { start_on: day("2031-04-01"), due_on: day("2031-03-31") });
}

#[test]
fn an_id_names_one_project_for_ever() {
    for history in [vec![created()], vec![created(), archived()], vec![created(), deleted()]] {
        given::<Project>(history.clone()).when(issued(to_create(create()))).then_refused(ProjectError::IdTaken);
        given::<Project>(history).when(issued_elsewhere(to_create(create()))).then_refused(ProjectError::IdTaken);
    }
}

// What is not there

#[test]
fn a_project_that_was_never_created_is_not_found() {
    for command in commands_on_a_project() {
        given::<Project>([]).when(issued(command)).then_refused(ProjectError::NotFound);
    }
}

#[test]
fn a_project_of_another_workspace_is_not_found() {
    for history in [vec![created()], vec![created(), archived()], vec![created(), deleted()]] {
        for command in commands_on_a_project() {
            given::<Project>(history.clone()).when(issued_elsewhere(command)).then_refused(ProjectError::NotFound);
        }
    }
}

// Update

#[test]
fn an_update_is_one_event_that_says_what_each_field_was_and_became() {
    let update = UpdateProject {
        name: Some(text("Artemis")),
        description: Some(text("")),
        start_on: Some(Some(day("2031-03-02"))),
        due_on: Some(None),
        time_zone: Some(Tz::Asia__Tokyo),
    };
    given::<Project>([created()]).when(issued(to_update(update))).then([updated(ProjectChanges {
        name: Some(Change { from: text("Apollo"), to: text("Artemis") }),
        description: Some(Change { from: text("To the moon."), to: text("") }),
        start_on: Some(Change { from: Some(day("2031-03-01")), to: Some(day("2031-03-02")) }),
        due_on: Some(Change { from: Some(day("2031-03-31")), to: None }),
        time_zone: Some(Change { from: Tz::Europe__Zurich, to: Tz::Asia__Tokyo }),
    })]);
}

#[test]
fn an_update_leaves_out_what_stays_as_it_was() {
    let update = UpdateProject { name: Some(text("Apollo")), description: Some(text("Back again.")), ..Default::default() };
    given::<Project>([created()]).when(issued(to_update(update))).then([updated(ProjectChanges {
        description: Some(Change { from: text("To the moon."), to: text("Back again.") }),
        ..Default::default()
    })]);
}

#[test]
fn an_update_to_what_already_is_changes_nothing() {
    let CreateProject { name, description, span, time_zone, .. } = create();
    let same = UpdateProject {
        name: Some(name),
        description: Some(description),
        start_on: Some(span.start_on),
        due_on: Some(span.due_on),
        time_zone: Some(time_zone),
    };
    for update in [same, UpdateProject::default()] {
        given::<Project>([created()]).when(issued(to_update(update))).then_nothing();
    }
}

#[test]
fn an_update_does_not_end_a_project_before_it_starts() {
    let late_start = UpdateProject { start_on: Some(Some(day("2031-04-01"))), ..Default::default() };
    given::<Project>([created()])
        .when(issued(to_update(late_start)))
        .then_refused(ProjectError::DateRange { start_on: day("2031-04-01"), due_on: day("2031-03-31") });
    let early_end = UpdateProject { due_on: Some(Some(day("2031-02-28"))), ..Default::default() };
    given::<Project>([created()])
        .when(issued(to_update(early_end)))
        .then_refused(ProjectError::DateRange { start_on: day("2031-03-01"), due_on: day("2031-02-28") });
}

#[test]
fn both_dates_may_move_past_the_old_ones_together() {
    let update = UpdateProject { start_on: Some(Some(day("2031-05-01"))), due_on: Some(Some(day("2031-05-31"))), ..Default::default() };
    given::<Project>([created()]).when(issued(to_update(update))).then([updated(ProjectChanges {
        start_on: Some(Change { from: Some(day("2031-03-01")), to: Some(day("2031-05-01")) }),
        due_on: Some(Change { from: Some(day("2031-03-31")), to: Some(day("2031-05-31")) }),
        ..Default::default()
    })]);
}

// Archive, unarchive, delete

#[test]
fn a_project_is_archived_and_unarchived() {
    given::<Project>([created()]).when(issued(ProjectCommand::Archive)).then([archived()]);
    given::<Project>([created(), archived()]).when(issued(ProjectCommand::Unarchive)).then([unarchived()]);
}

#[test]
fn archiving_and_unarchiving_twice_is_once() {
    given::<Project>([created(), archived()]).when(issued(ProjectCommand::Archive)).then_nothing();
    for history in [vec![created()], vec![created(), archived(), unarchived()]] {
        given::<Project>(history).when(issued(ProjectCommand::Unarchive)).then_nothing();
    }
}

#[test]
fn an_archived_project_refuses_all_but_unarchiving_and_deletion() {
    for command in commands_on_a_project() {
        let expected = match command {
            ProjectCommand::Archive => Ok(vec![]),
            ProjectCommand::Unarchive => Ok(vec![unarchived()]),
            ProjectCommand::Delete => Ok(vec![deleted()]),
            ProjectCommand::Create(_) => Err(ProjectError::IdTaken),
            ProjectCommand::Update(_)
            | ProjectCommand::AddCollaborator(_)
            | ProjectCommand::ChangeCollaboratorRole(_)
            | ProjectCommand::RemoveCollaborator(_) => Err(ProjectError::ProjectArchived),
        };
        let then = given::<Project>([created(), archived()]).when(issued(command));
        match expected {
            Ok(events) => then.then(events),
            Err(refusal) => then.then_refused(refusal),
        }
    }
}

#[test]
fn an_unarchived_project_goes_on() {
    given::<Project>([created(), archived(), unarchived()]).when(issued(to_add(BEN, Editor))).then([added(BEN, Editor)]);
}

#[test]
fn a_project_is_deleted_once() {
    given::<Project>([created()]).when(issued(ProjectCommand::Delete)).then([deleted()]);
    given::<Project>([created(), deleted()]).when(issued(ProjectCommand::Delete)).then_nothing();
}

#[test]
fn a_deletion_shows_the_last_name() {
    let renamed = updated(ProjectChanges { name: Some(Change { from: text("Apollo"), to: text("Artemis") }), ..Default::default() });
    given::<Project>([created(), renamed])
        .when(issued(ProjectCommand::Delete))
        .then([ProjectEvent::ProjectDeleted(ProjectDeleted { key: text("APOLLO"), name: text("Artemis") })]);
}

#[test]
fn a_deleted_project_refuses_all_but_deletion() {
    for command in commands_on_a_project() {
        if !matches!(command, ProjectCommand::Delete) {
            given::<Project>([created(), deleted()]).when(issued(command)).then_refused(ProjectError::ProjectDeleted);
        }
    }
}

// Collaborators

#[test]
fn somebody_is_added_in_any_role() {
    for role in [Viewer, Editor, Manager, Owner] {
        given::<Project>([created()]).when(issued(to_add(BEN, role))).then([added(BEN, role)]);
    }
}

#[test]
fn somebody_who_is_there_is_not_added_again_even_in_the_same_role() {
    for role in [Viewer, Editor] {
        given::<Project>([created(), added(BEN, Editor)])
            .when(issued(to_add(BEN, role)))
            .then_refused(ProjectError::AlreadyACollaborator(BEN));
    }
}

#[test]
fn somebody_who_left_may_come_back() {
    given::<Project>([created(), added(BEN, Editor), removed(BEN, Editor)]).when(issued(to_add(BEN, Viewer))).then([added(BEN, Viewer)]);
}

#[test]
fn a_project_has_at_most_a_thousand_collaborators() {
    let crowd = |people: u128| (1..people).map(|n| added(UserId(Uuid::from_u128(n)), Viewer));
    given::<Project>([created()].into_iter().chain(crowd(999))).when(issued(to_add(BEN, Editor))).then([added(BEN, Editor)]);
    given::<Project>([created()].into_iter().chain(crowd(1_000)))
        .when(issued(to_add(BEN, Editor)))
        .then_refused(ProjectError::TooManyCollaborators(1_000));
}

#[test]
fn a_role_changes_and_says_what_it_was() {
    given::<Project>([created(), added(BEN, Editor)]).when(issued(to_change_role(BEN, Manager))).then([role_changed(BEN, Editor, Manager)]);
}

#[test]
fn a_role_that_somebody_has_is_not_changed() {
    given::<Project>([created(), added(BEN, Editor)]).when(issued(to_change_role(BEN, Editor))).then_nothing();
    // Also where no other role would be allowed.
    given::<Project>([created()]).when(issued(to_change_role(ANNA, Owner))).then_nothing();
}

#[test]
fn somebody_who_is_not_there_has_no_role_to_change_and_cannot_leave() {
    for history in [vec![created()], vec![created(), added(BEN, Editor), removed(BEN, Editor)]] {
        given::<Project>(history.clone()).when(issued(to_change_role(BEN, Editor))).then_refused(ProjectError::NotACollaborator(BEN));
        given::<Project>(history).when(issued(to_remove(BEN))).then_refused(ProjectError::NotACollaborator(BEN));
    }
}

#[test]
fn somebody_leaves_and_the_event_says_what_they_were() {
    given::<Project>([created(), added(BEN, Editor), role_changed(BEN, Editor, Manager)])
        .when(issued(to_remove(BEN)))
        .then([removed(BEN, Manager)]);
}

#[test]
fn the_last_owner_neither_leaves_nor_gives_up_the_role() {
    let history = [created(), added(BEN, Manager)];
    given::<Project>(history.clone()).when(issued(to_remove(ANNA))).then_refused(ProjectError::LastOwner);
    for role in [Viewer, Editor, Manager] {
        given::<Project>(history.clone()).when(issued(to_change_role(ANNA, role))).then_refused(ProjectError::LastOwner);
    }
}

#[test]
fn one_of_two_owners_may_leave_or_give_up_the_role() {
    let history = [created(), added(BEN, Manager), role_changed(BEN, Manager, Owner)];
    given::<Project>(history.clone()).when(issued(to_remove(ANNA))).then([removed(ANNA, Owner)]);
    given::<Project>(history).when(issued(to_change_role(ANNA, Editor))).then([role_changed(ANNA, Owner, Editor)]);
}

// What others see of it

#[test]
fn tasks_see_the_project_as_it_is_now() {
    let seen = |history: Vec<ProjectEvent>| history.into_iter().fold(Project::Absent, evolve).as_home(APOLLO);
    let moved = updated(ProjectChanges { time_zone: Some(Change { from: Tz::Europe__Zurich, to: Tz::Asia__Tokyo }), ..Default::default() });
    let home = crate::testing::home();
    assert_eq!(seen(vec![]), None);
    assert_eq!(seen(vec![created()]), Some(home.clone()));
    assert_eq!(seen(vec![created(), moved]), Some(Home { time_zone: Tz::Asia__Tokyo, ..home.clone() }));
    assert_eq!(seen(vec![created(), archived()]), Some(Home { phase: Phase::Archived, ..home.clone() }));
    assert_eq!(seen(vec![created(), archived(), unarchived()]), Some(home.clone()));
    assert_eq!(seen(vec![created(), deleted()]), Some(Home { phase: Phase::Deleted, ..home }));
}
