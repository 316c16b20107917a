//! Lines to import.

use serde_json::{Value, json};
use uuid::Uuid;

/// The workspace that stories happen in.
pub(super) const WORKSPACE: &str = "6f1c2a6e-56a5-4b8c-9a55-0d7c6f0c2b11";

/// One line.
pub(super) fn line(command: &str, input: Value) -> Value {
    json!({ "command": command, "commandId": Uuid::now_v7(), "input": input })
}

/// Lines as a file holds them.
pub(crate) fn file_of(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A project and tasks in it.
pub(super) fn project_with_tasks(key: &str, tasks: usize) -> Vec<Value> {
    let project = Uuid::now_v7();
    let create = line("projectCreate", json!({ "id": project, "key": key, "name": "A project" }));
    let tasks = (0..tasks).map(|n| line("taskCreate", json!({ "projectId": project, "title": format!("Task {n}") })));
    std::iter::once(create).chain(tasks).collect()
}

/// Every command there is, each of them with an effect.
pub(crate) fn every_command() -> Vec<Value> {
    let [home, away, task, gone, schedule, dropped, ann, bob] = std::array::from_fn(|_| Uuid::now_v7());
    [
        ("projectCreate", json!({ "id": home, "key": "HOME", "name": "Home", "timeZone": "Europe/Zurich", "startOn": "2024-01-01" })),
        ("projectCreate", json!({ "id": away, "key": "AWAY", "name": "Away", "description": "Elsewhere" })),
        ("projectUpdate", json!({ "id": home, "name": "At home", "dueOn": "2030-12-31" })),
        ("projectCollaboratorAdd", json!({ "id": home, "userId": ann, "role": "VIEWER" })),
        ("projectCollaboratorChangeRole", json!({ "id": home, "userId": ann, "role": "MANAGER" })),
        ("projectCollaboratorRemove", json!({ "id": home, "userId": ann })),
        (
            "taskCreate",
            json!({ "id": task, "projectId": home, "title": "Paint the door", "priority": "LOW", "tags": ["colour"], "estimateMinutes": 90 }),
        ),
        ("taskUpdate", json!({ "id": task, "title": "Paint the front door", "category": "outside" })),
        ("taskAssign", json!({ "id": task, "userId": bob })),
        ("taskUnassign", json!({ "id": task, "userId": bob })),
        ("taskChangeStatus", json!({ "id": task, "status": "BLOCKED", "blockedReason": "rain" })),
        ("taskChangePriority", json!({ "id": task, "priority": "HIGH" })),
        ("taskSetDue", json!({ "id": task, "due": { "date": "2031-05-01", "timeZone": "Asia/Tokyo" } })),
        ("taskClearDue", json!({ "id": task })),
        ("taskComment", json!({ "id": task, "body": "Green?" })),
        ("taskComplete", json!({ "id": task })),
        ("taskReopen", json!({ "id": task })),
        ("taskMove", json!({ "id": task, "projectId": away })),
        ("taskCreate", json!({ "id": gone, "projectId": home, "title": "Never mind" })),
        ("taskDelete", json!({ "id": gone })),
        (
            "scheduleCreate",
            json!({
                "id": schedule, "title": "Housewarming", "projectId": home,
                "due": { "at": "2031-06-01T18:00:00Z" }, "thresholds": [{ "amount": 2, "unit": "DAYS" }],
            }),
        ),
        ("scheduleUpdate", json!({ "id": schedule, "title": "Party" })),
        ("scheduleReschedule", json!({ "id": schedule, "due": { "at": "2031-07-01T18:00:00Z" } })),
        ("scheduleMeet", json!({ "id": schedule })),
        ("scheduleCreate", json!({ "id": dropped, "title": "Second party", "due": { "date": "2031-08-01", "timeZone": "UTC" } })),
        ("scheduleDelete", json!({ "id": dropped })),
        ("projectArchive", json!({ "id": home })),
        ("projectUnarchive", json!({ "id": home })),
        ("projectDelete", json!({ "id": away })),
    ]
    .into_iter()
    .map(|(command, input)| line(command, input))
    .collect()
}
