//! Any sequence of commands keeps the invariants.

use super::*;
use crate::ids::WorkspaceId;
use crate::issued::DomainCommand;
use crate::issued::Issued;
use crate::testing::{ELSEWHERE, Happened, Rules, assert_change, assert_set_by_command, assert_settled, for_all, instant, step};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Debug, Clone)]
struct Step {
    by: UserId,
    workspace: WorkspaceId,
    command: ProjectCommand,
}

fn person() -> impl Strategy<Value = UserId> {
    select(vec![ANNA, BEN, UserId(Uuid::from_u128(0xC1EA))])
}

fn role() -> impl Strategy<Value = CollaboratorRole> {
    select(vec![Viewer, Editor, Manager, Owner])
}

fn date() -> impl Strategy<Value = Option<chrono::NaiveDate>> {
    option::of(select(vec![day("2031-03-01"), day("2031-03-31"), day("2031-05-01")]))
}

fn zone() -> impl Strategy<Value = Tz> {
    select(vec![Tz::UTC, Tz::Europe__Zurich])
}

fn creations() -> impl Strategy<Value = ProjectCommand> {
    (date(), date(), zone())
        .prop_map(|(start_on, due_on, time_zone)| to_create(CreateProject { span: DateSpan { start_on, due_on }, time_zone, ..create() }))
}

fn updates() -> impl Strategy<Value = ProjectCommand> {
    let name = option::of(select(vec!["Apollo", "Artemis"]));
    let description = option::of(select(vec!["", "To the moon."]));
    (name, description, option::of(date()), option::of(date()), option::of(zone())).prop_map(
        |(name, description, start_on, due_on, time_zone)| {
            let (name, description) = (name.map(text), description.map(text));
            to_update(UpdateProject { name, description, start_on, due_on, time_zone })
        },
    )
}

fn commands() -> impl Strategy<Value = ProjectCommand> {
    prop_oneof![
        3 => creations(),
        4 => updates(),
        2 => Just(ProjectCommand::Archive),
        4 => Just(ProjectCommand::Unarchive),
        1 => Just(ProjectCommand::Delete),
        6 => (person(), role()).prop_map(|(who, role)| to_add(who, role)),
        6 => (person(), role()).prop_map(|(who, role)| to_change_role(who, role)),
        6 => person().prop_map(to_remove),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let workspace = prop_oneof![9 => Just(HERE), 1 => Just(ELSEWHERE)];
    (person(), workspace, commands()).prop_map(|(by, workspace, command)| Step { by, workspace, command })
}

#[test]
fn any_sequence_of_commands_keeps_the_invariants_of_a_project() {
    for_all(400, vec(steps(), 1..50), |steps| {
        let mut project = Project::Absent;
        let mut history = vec![];
        for Step { by, workspace, command } in steps {
            let fields = command.fields();
            let command = Issued { by, workspace, at: instant("2031-03-01T12:00:00Z"), command, context: () };
            let Ok(happened) = step(&mut project, command.clone()) else { continue };
            assert_settled(&project, command);
            assert!(happened.len() <= 1, "a command on a project is one event: {happened:?}");
            for Happened { before, event, after } in happened {
                assert_ne!(before, after, "an event that changes nothing: {event:?}");
                assert_set_by_command(&event.fields(), &fields);
                assert_true_of_what_was(&before, &event);
                assert_invariants(&before, &after);
                assert_set_by_command(&event.fields(), &ProjectEvent::fields_of(event.name()).expect("a known event"));
                history.push(event);
            }
        }
        assert_eq!(history.into_iter().fold(Project::Absent, Project::evolve), project);
    });
}

/// What an event says of the time before it was so, and what it says of the change is one.
fn assert_true_of_what_was(before: &Project, event: &ProjectEvent) {
    let Project::Present(live) = before else {
        return assert!(matches!(event, ProjectEvent::ProjectCreated(_)), "{event:?} without a creation");
    };
    match event {
        ProjectEvent::ProjectCreated(_) => panic!("created twice"),
        ProjectEvent::ProjectUpdated(updated) => {
            let ProjectChanges { name, description, start_on, due_on, time_zone } = &updated.changes;
            assert_change(name.as_ref(), &live.name);
            assert_change(description.as_ref(), &live.description);
            assert_change(start_on.as_ref(), &live.start_on);
            assert_change(due_on.as_ref(), &live.due_on);
            assert_change(time_zone.as_ref(), &live.time_zone);
        }
        ProjectEvent::ProjectArchived(_) => assert_eq!(live.phase, Phase::Active),
        ProjectEvent::ProjectUnarchived(_) => assert_eq!(live.phase, Phase::Archived),
        ProjectEvent::ProjectDeleted(deleted) => assert_eq!((&deleted.key, &deleted.name), (&live.key, &live.name)),
        ProjectEvent::ProjectCollaboratorAdded(added) => assert_eq!(live.collaborators.get(&added.user_id), None),
        ProjectEvent::ProjectCollaboratorRemoved(removed) => {
            assert_eq!(live.collaborators.get(&removed.user_id), Some(&removed.role));
        }
        ProjectEvent::ProjectCollaboratorRoleChanged(changed) => {
            assert_eq!(live.collaborators.get(&changed.user_id), Some(&changed.from));
            assert_ne!(changed.from, changed.to);
        }
    }
}

fn assert_invariants(before: &Project, after: &Project) {
    let Project::Present(after) = after else { panic!("a project that was created is gone") };
    assert!(after.owners() >= 1, "a project without an owner");
    assert!(after.span().in_order(), "a project that ends before it starts");
    if let Project::Present(before) = before {
        assert_eq!((&before.key, before.workspace_id), (&after.key, after.workspace_id));
        match before.phase {
            Phase::Active => {}
            Phase::Archived => assert_ne!(after.phase, Phase::Archived, "an archived project changed"),
            Phase::Deleted => panic!("a deleted project changed"),
        }
    }
}
