//! One sample command for every mutation: its preconditions, its input, and its expected payload.

use serde_json::{Value, json};
use tests::app::Client;
use uuid::Uuid;

pub(super) const PROJECT: &str =
    "id key name description status startOn dueOn timeZone version createdBy updatedAt collaborators { userId role } taskCounts { total }";
pub(super) const TASK: &str = "id key number title description status blockedReason priority category tags assigneeIds estimateMinutes \
    due { at date timeZone } isOverdue completedAt timeToCompleteMs version createdBy updatedAt";
pub(super) const SCHEDULE: &str =
    "id title state due { at date timeZone } dueRevision thresholds { amount unit } nextFireAt version updatedAt";

/// A command that is ready to be sent.
pub(super) struct SampleCommand {
    pub(super) name: String,
    pub(super) input: Value,
    /// What the entity of the payload must show, among other things.
    pub(super) shows: Value,
    /// The version after it.
    pub(super) version: i64,
    /// The project that everything is in.
    pub(super) project: String,
    /// The task that it is about, where it is about one.
    pub(super) task: Option<String>,
}

impl SampleCommand {
    /// `project`, `task` or `schedule`.
    pub(super) fn entity(&self) -> &'static str {
        entity(&self.name)
    }

    /// All fields of the entity that do not need another read model.
    pub(super) fn fields(&self) -> &'static str {
        fields(&self.name)
    }

    /// The same with a command id.
    pub(super) fn with_command_id(mut self, id: Uuid) -> Self {
        self.input["commandId"] = json!(id);
        self
    }
}

pub(super) fn entity(mutation: &str) -> &'static str {
    ["project", "task", "schedule"].into_iter().find(|entity| mutation.starts_with(entity)).expect("a mutation begins with its noun")
}

pub(super) fn fields(mutation: &str) -> &'static str {
    match entity(mutation) {
        "project" => PROJECT,
        "task" => TASK,
        _ => SCHEDULE,
    }
}

/// A key that no other project has.
pub(super) fn key() -> String {
    format!("K{}", &Uuid::new_v4().simple().to_string()[..9].to_uppercase())
}

/// Prepares a command and its preconditions. A mutation that is not known here fails every test of mutations.
pub(super) async fn sample(client: &Client, name: &str) -> SampleCommand {
    let project = client.project().await;
    let mut sample = SampleCommand { name: name.to_owned(), input: json!({}), shows: json!({}), version: 2, project, task: None };
    match entity(name) {
        "project" => of_project(client, &mut sample).await,
        "task" => of_task(client, &mut sample).await,
        _ => of_schedule(client, &mut sample).await,
    }
    sample
}

async fn of_project(client: &Client, sample: &mut SampleCommand) {
    let (id, person, me) = (sample.project.clone(), Uuid::now_v7(), client.caller.actor.0);
    let add = json!({ "id": id, "userId": person, "role": "EDITOR" });
    let prepared = match sample.name.as_str() {
        "projectUnarchive" => Some(("projectArchive", json!({ "id": id }))),
        "projectCollaboratorChangeRole" | "projectCollaboratorRemove" => Some(("projectCollaboratorAdd", add.clone())),
        _ => None,
    };
    if let Some((before, input)) = prepared {
        client.must(before, "id", input).await;
        sample.version = 3;
    }
    let owner = json!({ "userId": me, "role": "OWNER" });
    (sample.input, sample.shows) = match sample.name.as_str() {
        "projectCreate" => {
            sample.version = 1;
            sample.project = Uuid::now_v7().to_string();
            let mut input = json!({ "key": key(), "name": " Trip to the moon ", "description": "By bicycle.", "startOn": "2031-01-01" });
            input["dueOn"] = json!("2031-12-31");
            input["timeZone"] = json!("Europe/Zurich");
            let mut shows = input.clone();
            shows["name"] = json!("Trip to the moon");
            shows["status"] = json!("ACTIVE");
            shows["createdBy"] = json!(me);
            shows["collaborators"] = json!([owner]);
            shows["id"] = json!(sample.project);
            input["id"] = json!(sample.project);
            (input, shows)
        }
        "projectUpdate" => (json!({ "id": id, "name": "New", "dueOn": "2031-02-03" }), json!({ "name": "New", "dueOn": "2031-02-03" })),
        "projectArchive" => (json!({ "id": id }), json!({ "status": "ARCHIVED" })),
        "projectUnarchive" => (json!({ "id": id }), json!({ "status": "ACTIVE" })),
        "projectDelete" => (json!({ "id": id }), json!({ "status": "DELETED" })),
        "projectCollaboratorAdd" => (add, json!({ "collaborators": [owner, { "userId": person, "role": "EDITOR" }] })),
        "projectCollaboratorChangeRole" => (
            json!({ "id": id, "userId": person, "role": "MANAGER" }),
            json!({ "collaborators": [owner, { "userId": person, "role": "MANAGER" }] }),
        ),
        "projectCollaboratorRemove" => (json!({ "id": id, "userId": person }), json!({ "collaborators": [owner] })),
        other => panic!("no sample command for the mutation {other}: add one"),
    };
}

async fn of_task(client: &Client, sample: &mut SampleCommand) {
    let person = Uuid::now_v7();
    let due = json!({ "at": "2031-03-10T12:00:00.000Z" });
    let full = json!({ "projectId": sample.project, "title": "Begun", "assigneeIds": [person], "due": due });
    let id = match sample.name.as_str() {
        "taskCreate" => Uuid::now_v7().to_string(),
        _ => {
            let made = client.must("taskCreate", "id", full.clone()).await;
            made["task"]["id"].as_str().expect("an id").to_owned()
        }
    };
    sample.task = Some(id.clone());
    let only_id = json!({ "id": id });
    (sample.input, sample.shows) = match sample.name.as_str() {
        "taskCreate" => {
            sample.version = 1;
            let mut input = full;
            input["id"] = json!(id);
            input["tags"] = json!(["b", "a"]);
            input["priority"] = json!("HIGH");
            input["estimateMinutes"] = json!(90);
            let shows = json!({ "id": id, "number": 1, "title": "Begun", "description": "", "status": "TODO", "priority": "HIGH",
                "tags": ["a", "b"], "assigneeIds": [person], "estimateMinutes": 90, "createdBy": client.caller.actor.0,
                "due": { "at": "2031-03-10T12:00:00.000Z", "date": null, "timeZone": "UTC" }, "isOverdue": false });
            (input, shows)
        }
        "taskUpdate" => (json!({ "id": id, "title": "New", "category": "x" }), json!({ "title": "New", "category": "x", "tags": [] })),
        "taskAssign" => {
            let other = Uuid::now_v7();
            (json!({ "id": id, "userId": other }), json!({ "assigneeIds": [person, other] }))
        }
        "taskUnassign" => (json!({ "id": id, "userId": person }), json!({ "assigneeIds": [] })),
        "taskChangeStatus" => {
            (json!({ "id": id, "status": "BLOCKED", "blockedReason": "rain" }), json!({ "status": "BLOCKED", "blockedReason": "rain" }))
        }
        "taskChangePriority" => (json!({ "id": id, "priority": "CRITICAL" }), json!({ "priority": "CRITICAL" })),
        "taskSetDue" => (
            json!({ "id": id, "due": { "date": "2031-06-15", "timeZone": "Asia/Kathmandu" } }),
            json!({ "due": { "at": "2031-06-15T18:15:00.000Z", "date": "2031-06-15", "timeZone": "Asia/Kathmandu" } }),
        ),
        "taskClearDue" => (only_id, json!({ "due": null })),
        "taskComplete" => (only_id, json!({ "status": "DONE" })),
        "taskReopen" => {
            client.must("taskComplete", "id", json!({ "id": id })).await;
            sample.version = 3;
            (only_id, json!({ "status": "TODO", "completedAt": null, "timeToCompleteMs": null }))
        }
        "taskMove" => {
            let to = client.must("projectCreate", "id key", json!({ "key": key(), "name": "Next door" })).await;
            let key = to["project"]["key"].as_str().expect("a key");
            (json!({ "id": id, "projectId": to["project"]["id"] }), json!({ "key": format!("{key}-1"), "number": 1 }))
        }
        "taskComment" => (json!({ "id": id, "body": "Well said." }), json!({ "title": "Begun" })),
        "taskDelete" => (only_id, json!({ "title": "Begun", "status": "TODO", "assigneeIds": [person] })),
        other => panic!("no sample command for the mutation {other}: add one"),
    };
}

async fn of_schedule(client: &Client, sample: &mut SampleCommand) {
    let due = json!({ "at": "2031-03-10T12:00:00.000Z" });
    let full = json!({ "projectId": sample.project, "title": "Begun", "due": due });
    let id = match sample.name.as_str() {
        "scheduleCreate" => Uuid::now_v7().to_string(),
        _ => {
            let made = client.must("scheduleCreate", "id", full.clone()).await;
            made["schedule"]["id"].as_str().expect("an id").to_owned()
        }
    };
    let only_id = json!({ "id": id });
    (sample.input, sample.shows) = match sample.name.as_str() {
        "scheduleCreate" => {
            sample.version = 1;
            let mut input = full;
            input["id"] = json!(id);
            let shows = json!({ "id": id, "title": "Begun", "state": "PENDING", "dueRevision": 1, "nextFireAt": "2031-03-07T12:00:00.000Z",
                "due": { "at": "2031-03-10T12:00:00.000Z", "date": null, "timeZone": "UTC" },
                "thresholds": [{ "amount": 3, "unit": "DAYS" }] });
            (input, shows)
        }
        "scheduleUpdate" => (
            json!({ "id": id, "title": "New", "thresholds": [{ "amount": 90, "unit": "MINUTES" }] }),
            json!({ "title": "New", "thresholds": [{ "amount": 90, "unit": "MINUTES" }], "nextFireAt": "2031-03-10T10:30:00.000Z" }),
        ),
        "scheduleReschedule" => (
            json!({ "id": id, "due": { "at": "2032-01-01T00:00:00Z" } }),
            json!({ "dueRevision": 2, "state": "PENDING", "nextFireAt": "2031-12-29T00:00:00.000Z" }),
        ),
        "scheduleMeet" => (only_id, json!({ "state": "MET", "nextFireAt": null })),
        "scheduleDelete" => (only_id, json!({ "state": "DELETED", "nextFireAt": null })),
        other => panic!("no sample command for the mutation {other}: add one"),
    };
}
