//! Any sequence of commands keeps the invariants.

use super::*;
use crate::ids::WorkspaceId;
use crate::issued::DomainCommand;
use crate::testing::{Happened, Rules, assert_change, assert_set_by_command, assert_settled, for_all, step};
use chrono::TimeDelta;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A command, and the circumstances in which it comes.
#[derive(Debug, Clone)]
struct Step {
    workspace: WorkspaceId,
    phase: Phase,
    later_ms: i64,
    command: TaskCommand,
    /// Where a move goes.
    target: Option<Home>,
}

/// A few more than a task has room for.
fn people() -> Vec<UserId> {
    (0..52).map(|n| UserId(Uuid::from_u128(n))).collect()
}

fn dues() -> impl Strategy<Value = DueRequest> {
    let dates = (select(vec!["2031-03-31", "2031-04-30"]), option::of(Just(Tz::Asia__Tokyo)));
    prop_oneof![dates.prop_map(|(date, zone)| DueRequest::On(day(date), zone)), Just(DueRequest::At(instant(SOME_DAY)))]
}

fn tags() -> impl Strategy<Value = Tags> {
    vec(select(vec!["hall", "paint"]), 0..3).prop_map(|tags| Tags::new(tags.into_iter().map(text)).expect("two tags"))
}

fn creations() -> impl Strategy<Value = TaskCommand> {
    (option::of(dues()), subsequence(people(), 0..51), tags()).prop_map(|(due, people, tags)| {
        let assignee_ids = Assignees::new(people).expect("at most fifty people");
        to_create(CreateTask { due, assignee_ids, tags, ..create() })
    })
}

fn updates() -> impl Strategy<Value = TaskCommand> {
    let words = (option::of(select(vec!["Paint", "Paint the hall"])), option::of(select(vec!["", "White."])));
    let category = option::of(option::of(Just("rooms")));
    (words, category, option::of(tags()), option::of(option::of(1..3u32))).prop_map(
        |((title, description), category, tags, estimate_minutes)| {
            let category = category.map(|category| category.map(text));
            to_update(UpdateTask { title: title.map(text), description: description.map(text), category, tags, estimate_minutes })
        },
    )
}

fn status_changes() -> impl Strategy<Value = TaskCommand> {
    (select(&Status::ALL[..]), option::weighted(0.3, select(vec!["no paint", "no brush"]))).prop_map(|(to, reason)| {
        let reason = reason.or((to == Status::Blocked).then_some("no ladder"));
        TaskCommand::ChangeStatus(ChangeStatus { to, blocked_reason: reason.map(text) })
    })
}

fn homes() -> impl Strategy<Value = Home> {
    let phase = prop_oneof![8 => Just(Phase::Active), 1 => Just(Phase::Archived), 1 => Just(Phase::Deleted)];
    let home = prop_oneof![4 => Just(home()), 4 => Just(other_home()), 1 => Just(home_elsewhere())];
    (phase, home).prop_map(|(phase, home)| Home { phase, ..home })
}

fn commands() -> impl Strategy<Value = TaskCommand> {
    let priority = select(vec![Priority::Low, Priority::High]);
    prop_oneof![
        6 => creations(),
        4 => updates(),
        4 => select(people()).prop_map(TaskCommand::Assign),
        2 => select(people()).prop_map(TaskCommand::Unassign),
        6 => status_changes(),
        2 => priority.prop_map(TaskCommand::ChangePriority),
        3 => dues().prop_map(TaskCommand::SetDue),
        2 => Just(TaskCommand::ClearDue),
        2 => Just(TaskCommand::Complete),
        3 => Just(TaskCommand::Reopen),
        1 => Just(to_comment()),
        1 => Just(TaskCommand::Delete),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let workspace = prop_oneof![14 => Just(HERE), 1 => Just(ELSEWHERE)];
    let phase = prop_oneof![14 => Just(Phase::Active), 1 => Just(Phase::Archived), 1 => Just(Phase::Deleted)];
    let command = prop_oneof![
        36 => commands().prop_map(|command| (command, None)),
        3 => homes().prop_map(|target| (to_move(&target), Some(target))),
    ];
    (workspace, phase, 0..100_000_000i64, command).prop_map(|(workspace, phase, later_ms, (command, target))| Step {
        workspace,
        phase,
        later_ms,
        command,
        target,
    })
}

#[test]
fn any_sequence_of_commands_keeps_the_invariants_of_a_task() {
    for_all(400, vec(steps(), 1..60), |steps| {
        let mut task = Task::Absent;
        let mut history = vec![];
        let mut now = instant(SOME_DAY);
        for Step { workspace, phase, later_ms, command, target } in steps {
            now = now + TimeDelta::milliseconds(later_ms);
            let home = Home { phase, ..if task.project_id() == Some(BORA) { other_home() } else { home() } };
            let fields = command.fields();
            let comments = matches!(command, TaskCommand::Comment(_));
            let command = Issued { by: ANNA, workspace, at: now, command, context: TaskContext { home, target } };
            let Ok(happened) = step(&mut task, command.clone()) else { continue };
            assert_eq!((phase, workspace), (Phase::Active, HERE), "a project that is not active or is elsewhere refuses every command");
            assert!(happened.len() <= 1, "a command on a task is one event: {happened:?}");
            if comments {
                assert!(matches!(&happened[..], [Happened { event: TaskEvent::TaskCommented(_), .. }]));
            } else {
                assert_settled(&task, command);
            }
            for Happened { before, event, after } in happened {
                assert_eq!(before == after, comments, "a comment alone changes nothing that rules read: {event:?}");
                if !comments {
                    assert_set_by_command(&event.fields(), &fields);
                }
                assert_true_of_what_was(&before, &event);
                assert_invariants(&before, &event, &after);
                assert_set_by_command(&event.fields(), &TaskEvent::fields_of(event.name()).expect("a known event"));
                history.push(event);
            }
        }
        assert_eq!(history.into_iter().fold(Task::Absent, Task::evolve), task);
    });
}

/// What an event says of the time before it was so, and what it says of the change is one.
fn assert_true_of_what_was(before: &Task, event: &TaskEvent) {
    let Task::Live(live) = before else {
        return assert!(matches!((before, event), (Task::Absent, TaskEvent::TaskCreated(_))), "{event:?} without a task");
    };
    match event {
        TaskEvent::TaskCreated(_) => panic!("created twice"),
        TaskEvent::TaskUpdated(updated) => {
            let TaskChanges { title, description, category, tags, estimate_minutes } = &updated.changes;
            assert_change(title.as_ref(), &live.title);
            assert_change(description.as_ref(), &live.description);
            assert_change(category.as_ref(), &live.category);
            assert_change(tags.as_ref(), &live.tags);
            assert_change(estimate_minutes.as_ref(), &live.estimate_minutes);
        }
        TaskEvent::TaskAssigned(assigned) => assert!(!live.assignee_ids.contains(assigned.user_id)),
        TaskEvent::TaskUnassigned(unassigned) => assert!(live.assignee_ids.contains(unassigned.user_id)),
        TaskEvent::TaskStatusChanged(TaskStatusChanged { from, to, blocked_reason }) => {
            assert_eq!(*from, live.status);
            assert_ne!((from, blocked_reason), (to, &live.blocked_reason));
        }
        TaskEvent::TaskPriorityChanged(TaskPriorityChanged { from, to }) => {
            assert_change(Some(&Change { from: *from, to: *to }), &live.priority);
        }
        TaskEvent::TaskCompleted(completed) => {
            assert_eq!((completed.from, &completed.title), (live.status, &live.title));
            assert_eq!(completed.time_to_complete_ms, (completed.completed_at - live.created_at).num_milliseconds());
        }
        TaskEvent::TaskReopened(reopened) => assert_eq!((reopened.from, reopened.due), (live.status, live.due)),
        TaskEvent::TaskDeleted(deleted) => assert_eq!((deleted.status, &deleted.title), (live.status, &live.title)),
        TaskEvent::TaskDueDateChanged(TaskDueDateChanged { from, to }) => {
            assert_change(Some(&Change { from: *from, to: *to }), &live.due);
        }
        TaskEvent::TaskCommented(_) => {}
        TaskEvent::TaskMoved(moved) => {
            assert_change(Some(&Change { from: moved.from_project_id, to: moved.project_id }), &live.project_id);
            assert_eq!((moved.from_number, &moved.from_project_key, moved.status), (live.number, &live.project_key, live.status));
        }
    }
}

fn assert_invariants(before: &Task, event: &TaskEvent, after: &Task) {
    let Task::Live(after) = after else {
        return assert!(matches!(event, TaskEvent::TaskDeleted(_)), "{event:?} ended a task");
    };
    let people = after.assignee_ids.iter().collect::<Vec<_>>();
    assert!(people.len() <= 50, "{} assignees", people.len());
    assert!((1..people.len()).all(|n| !people[n..].contains(&people[n - 1])), "somebody is assigned twice");
    assert_eq!(after.blocked_reason.is_some(), after.status == Status::Blocked, "a reason goes with blocked alone");
    let Task::Live(before) = before else { return };
    assert_eq!((before.workspace_id, before.created_at), (after.workspace_id, after.created_at));
    if before.status.is_closed() && after.status != before.status {
        assert!(matches!(event, TaskEvent::TaskReopened(_)), "{event:?} left {:?}", before.status);
        assert_eq!(after.status, Status::Todo);
    }
    if after.status == Status::Done && before.status == Status::Done {
        assert_eq!((before.due, before.project_id, &before.assignee_ids), (after.due, after.project_id, &after.assignee_ids));
    }
    assert_eq!(after.status == Status::Done && before.status != Status::Done, matches!(event, TaskEvent::TaskCompleted(_)));
}
