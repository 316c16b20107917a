use super::*;
use crate::testing::{MemoryLog, by, caller, command, node, project, send};
use domain::ids::UserId;
use domain::values::CollaboratorRole::Editor;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

const BOSS: u128 = 1;
const ANNA: u128 = 7;

#[test]
fn everybody_but_a_viewer_sends_commands_and_who_looks_after_the_workspace_gives_history() {
    let may = |role| (may_send(&caller(role), "projectArchive").is_ok(), may_give_history(&caller(role)));
    assert_eq!(Role::ALL.map(may), [(false, false), (true, false), (true, true), (true, true), (true, true)]);
}

/// What a member with a role in the project comes to with commands that everybody below may not send.
fn least(need: Need, own: bool, at_least: Option<CollaboratorRole>) -> Vec<Option<CollaboratorRole>> {
    let roles = [None].into_iter().chain(CollaboratorRole::ALL.map(Some));
    roles
        .filter(|role| may_do(&caller(Role::Member), "x", need, CallerRole::InProject(ProjectRole { role: *role, own, at_least })).is_ok())
        .collect()
}

#[test]
fn a_member_may_do_what_its_role_in_the_project_or_its_own_part_lets_it() {
    use CollaboratorRole::Viewer;
    let from = |least: Option<CollaboratorRole>| -> Vec<_> {
        [None].into_iter().chain(CollaboratorRole::ALL.map(Some)).filter(|role| *role >= least).collect()
    };
    assert_eq!(least(Need::Membership, false, None), from(None));
    for role in [Viewer, Editor, Manager, Owner] {
        assert_eq!(least(Need::Project(role), false, None), from(Some(role)));
        assert_eq!(least(Need::Project(role), true, None), from(Some(role)));
        assert_eq!(least(Need::ProjectOrOwn(role), false, None), from(Some(role)));
        assert_eq!(least(Need::ProjectOrOwn(role), true, None), from(None));
        assert_eq!(least(Need::Project(role), false, Some(Owner)), from(Some(Owner)));
        assert_eq!(least(Need::ProjectOrMilestone(role), true, None), from(Some(role)));
    }
}

#[test]
fn an_admin_is_a_manager_everywhere_and_an_owner_or_a_service_an_owner() {
    let nobody = CallerRole::InProject(ProjectRole { role: None, own: false, at_least: None });
    let may = |role, need| may_do(&caller(role), "x", need, nobody).is_ok();
    assert_eq!(Role::ALL.map(|role| may(role, Need::Project(Manager))), [false, false, true, true, true]);
    assert_eq!(Role::ALL.map(|role| may(role, Need::Project(Owner))), [false, false, false, true, true]);
}

#[test]
fn what_is_in_no_project_is_open_only_where_a_need_says_so() {
    let may = |need| Role::ALL.map(|role| may_do(&caller(role), "x", need, CallerRole::NoProject).is_ok());
    for role in CollaboratorRole::ALL {
        // Milestones are everybody's.
        assert_eq!(may(Need::ProjectOrMilestone(role)), [false, true, true, true, true]);
        assert_eq!(may(Need::Project(role)), [false; 5]);
        assert_eq!(may(Need::ProjectOrOwn(role)), [false; 5]);
    }
    assert_eq!(may(Need::Membership), [false, true, true, true, true]);
    let in_project = CallerRole::InProject(ProjectRole { role: Some(Owner), own: true, at_least: None });
    for role in [CallerRole::NoProject, in_project] {
        let may = Role::ALL.map(|workspace_role| may_do(&caller(workspace_role), "tick", Need::Service, role).is_ok());
        assert_eq!(may, [false, false, false, false, true]);
    }
}

#[tokio::test]
async fn of_what_is_in_no_project_members_change_milestones_and_nothing_else() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let due = json!({ "at": "2031-05-01T00:00:00Z" });
    let milestone = anna(&node, "scheduleCreate", json!({ "title": "M", "due": due })).await.expect("a milestone");
    anna(&node, "scheduleUpdate", json!({ "id": milestone, "title": "N" })).await.expect("a milestone is everybody's");
    let project = project(&node, "APOLLO").await;
    let theirs = json!({ "title": "M", "projectId": project, "due": due });
    let theirs = send(&node, "scheduleCreate", theirs).await.expect("a schedule of the project").aggregate_id;
    forbidden(anna(&node, "scheduleMeet", json!({ "id": theirs })).await);
    anna(&node, "scheduleMeet", json!({ "id": milestone })).await.expect("a milestone is everybody's");
}

/// Anna, a member, sends a command.
async fn anna(node: &crate::Application, name: &str, input: Value) -> Result<Uuid, CommandError> {
    let mut how = by(caller(Role::Member));
    how.caller.actor = UserId(Uuid::from_u128(ANNA));
    node.execute(how, command(name, input)).await.map(|outcome| outcome.aggregate_id)
}

fn forbidden(result: Result<Uuid, CommandError>) -> String {
    match result {
        Err(CommandError::Forbidden(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_one_may_changes_with_ones_role_in_the_project() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let project = project(&node, "APOLLO").await;
    let anna_id = Uuid::from_u128(ANNA);
    let create = || json!({ "projectId": project, "title": "A task" });
    let message = forbidden(anna(&node, "taskCreate", create()).await);
    assert_eq!(message, "taskCreate requires the role editor or higher in the project; you have none there");
    let with = |role: &str| json!({ "id": project, "userId": anna_id, "role": role });
    send(&node, "projectCollaboratorAdd", with("EDITOR")).await.expect("the boss lets her in");
    let task = anna(&node, "taskCreate", create()).await.expect("an editor creates tasks");
    forbidden(anna(&node, "projectUpdate", json!({ "id": project, "name": "Hers" })).await);
    send(&node, "projectCollaboratorChangeRole", with("MANAGER")).await.expect("the boss promotes her");
    anna(&node, "projectUpdate", json!({ "id": project, "name": "Hers" })).await.expect("a manager changes the project");
    forbidden(anna(&node, "projectDelete", json!({ "id": project })).await);
    // Managers neither make owners nor touch them.
    forbidden(anna(&node, "projectCollaboratorChangeRole", with("OWNER")).await);
    let boss = json!({ "id": project, "userId": Uuid::from_u128(BOSS) });
    forbidden(anna(&node, "projectCollaboratorRemove", boss).await);
    // Everybody may go.
    anna(&node, "projectCollaboratorRemove", json!({ "id": project, "userId": anna_id })).await.expect("she leaves");
    forbidden(anna(&node, "taskComment", json!({ "id": task, "body": "?" })).await);
    // What is assigned to her is her own.
    send(&node, "taskAssign", json!({ "id": task, "userId": anna_id })).await.expect("the boss asks her to");
    anna(&node, "taskComment", json!({ "id": task, "body": "I am on it." })).await.expect("it is her task");
    anna(&node, "taskComplete", json!({ "id": task })).await.expect("it is her task");
    forbidden(anna(&node, "taskDelete", json!({ "id": task })).await);
    forbidden(anna(&node, "taskUnassign", json!({ "id": task, "userId": Uuid::from_u128(BOSS) })).await);
    anna(&node, "taskReopen", json!({ "id": task })).await.expect("it is her task");
    anna(&node, "taskUnassign", json!({ "id": task, "userId": anna_id })).await.expect("her part in it");
    forbidden(anna(&node, "taskComplete", json!({ "id": task })).await);
}

#[tokio::test]
async fn a_task_moves_only_where_one_may_work_in_both_projects() {
    let log = Arc::new(MemoryLog::default());
    let node = node(&log, 1);
    let (from, to) = (project(&node, "APOLLO").await, project(&node, "BORA").await);
    let anna_id = Uuid::from_u128(ANNA);
    let let_in = |project: Value| json!({ "id": project, "userId": anna_id, "role": "EDITOR" });
    send(&node, "projectCollaboratorAdd", let_in(json!(from))).await.expect("the boss lets her in");
    let task = anna(&node, "taskCreate", json!({ "projectId": from, "title": "A task" })).await.expect("a task");
    forbidden(anna(&node, "taskMove", json!({ "id": task, "projectId": to })).await);
    send(&node, "projectCollaboratorAdd", let_in(json!(to))).await.expect("the boss lets her in");
    anna(&node, "taskMove", json!({ "id": task, "projectId": to })).await.expect("she is an editor of both");
}
