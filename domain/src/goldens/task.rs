use super::{Golden, OTHER_PERSON, OTHER_PROJECT, PERSON, PROJECT, WORKSPACE, end_of_march, noon_in_april};
use crate::event::Event;
use crate::ids::CommentId;
use crate::task::{
    Status, TaskAssigned, TaskChanges, TaskCommented, TaskCompleted, TaskCreated, TaskDeleted, TaskDueDateChanged, TaskEvent, TaskMoved,
    TaskPriorityChanged, TaskReopened, TaskStatusChanged, TaskUnassigned, TaskUpdated,
};
use crate::testing::{instant, text};
use crate::values::{Assignees, Change, Priority, Tag, Tags};
use uuid::uuid;

pub(super) fn goldens() -> Vec<Golden> {
    let events = [
        ("task_created.1", TaskEvent::TaskCreated(Box::new(created()))),
        ("task_created.1.minimal", TaskEvent::TaskCreated(Box::new(barely_created()))),
        ("task_updated.1", TaskEvent::TaskUpdated(Box::new(TaskUpdated { changes: changes() }))),
        ("task_updated.1.minimal", TaskEvent::TaskUpdated(Box::new(TaskUpdated { changes: one_change() }))),
        ("task_assigned.1", TaskEvent::TaskAssigned(TaskAssigned { user_id: OTHER_PERSON })),
        ("task_unassigned.1", TaskEvent::TaskUnassigned(TaskUnassigned { user_id: OTHER_PERSON })),
        ("task_status_changed.1", status_changed(Status::Blocked, Some("Waiting for the plasterer"))),
        ("task_status_changed.1.minimal", status_changed(Status::InReview, None)),
        ("task_priority_changed.1", TaskEvent::TaskPriorityChanged(TaskPriorityChanged { from: Priority::Medium, to: Priority::Critical })),
        ("task_completed.1", TaskEvent::TaskCompleted(completed())),
        ("task_reopened.1", TaskEvent::TaskReopened(TaskReopened { from: Status::Done, due: Some(end_of_march()) })),
        ("task_reopened.1.minimal", TaskEvent::TaskReopened(TaskReopened { from: Status::Cancelled, due: None })),
        ("task_deleted.1", TaskEvent::TaskDeleted(TaskDeleted { title: text("Paint the hall"), status: Status::Todo })),
        (
            "task_due_date_changed.1",
            TaskEvent::TaskDueDateChanged(TaskDueDateChanged { from: Some(end_of_march()), to: Some(noon_in_april()) }),
        ),
        ("task_due_date_changed.1.minimal", TaskEvent::TaskDueDateChanged(TaskDueDateChanged { from: None, to: Some(end_of_march()) })),
        ("task_due_date_changed.1.cleared", TaskEvent::TaskDueDateChanged(TaskDueDateChanged { from: Some(end_of_march()), to: None })),
        ("task_commented.1", TaskEvent::TaskCommented(commented())),
        ("task_moved.1", TaskEvent::TaskMoved(moved())),
    ];
    events.map(|(name, event)| (name, Event::Task(event))).into()
}

fn tags(tags: &[&str]) -> Tags {
    Tags::new(tags.iter().map(|tag| text::<Tag>(tag))).expect("a few tags")
}

fn created() -> TaskCreated {
    TaskCreated {
        number: 12,
        workspace_id: WORKSPACE,
        project_id: PROJECT,
        project_key: text("HALL1"),
        title: text("Paint the hall – twice"),
        description: text("White.\n\n- walls\n- ceiling \u{1f3a8}"),
        priority: Priority::High,
        category: Some(text("rooms")),
        tags: tags(&["façade", "hall", "paint"]),
        assignee_ids: Assignees::new([PERSON, OTHER_PERSON]).expect("two people"),
        due: Some(end_of_march()),
        estimate_minutes: Some(480),
        created_at: instant("2031-03-01T09:30:00.125Z"),
    }
}

fn barely_created() -> TaskCreated {
    TaskCreated {
        number: 1,
        title: text("Paint"),
        description: text(""),
        priority: Priority::Medium,
        category: None,
        tags: Tags::default(),
        assignee_ids: Assignees::default(),
        due: None,
        estimate_minutes: None,
        created_at: instant("2031-03-01T09:30:00Z"),
        ..created()
    }
}

fn changes() -> TaskChanges {
    TaskChanges {
        title: Some(Change { from: text("Paint the hall"), to: text("Paint the stairs") }),
        description: Some(Change { from: text("White."), to: text("") }),
        category: Some(Change { from: Some(text("rooms")), to: None }),
        tags: Some(Change { from: tags(&["hall", "paint"]), to: tags(&["paint"]) }),
        estimate_minutes: Some(Change { from: Some(480), to: Some(120) }),
    }
}

fn one_change() -> TaskChanges {
    TaskChanges { category: Some(Change { from: None, to: Some(text("rooms")) }), ..Default::default() }
}

fn status_changed(to: Status, blocked_reason: Option<&str>) -> TaskEvent {
    TaskEvent::TaskStatusChanged(TaskStatusChanged { from: Status::InProgress, to, blocked_reason: blocked_reason.map(text) })
}

fn completed() -> TaskCompleted {
    TaskCompleted {
        title: text("Paint the hall"),
        from: Status::InReview,
        completed_at: instant("2031-03-20T16:45:12.345Z"),
        time_to_complete_ms: 1_667_712_220,
    }
}

fn commented() -> TaskCommented {
    TaskCommented {
        comment_id: CommentId(uuid!("0196f1a5-4b5c-7d6e-8f90-a1b2c3d4e5f6")),
        body: text("First coat is dry.\nThe second one tomorrow?"),
    }
}

fn moved() -> TaskMoved {
    TaskMoved {
        number: 3,
        project_id: OTHER_PROJECT,
        project_key: text("STAIRS"),
        from_number: 12,
        from_project_id: PROJECT,
        from_project_key: text("HALL1"),
        status: Status::Blocked,
    }
}
