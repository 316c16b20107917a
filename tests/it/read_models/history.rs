//! Random histories: commands of several people in several workspaces, and time that passes.

use application::caller::{Caller, Role};
use application::command::Command;
use application::error::CommandError;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{UserId, WorkspaceId};
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::builders::send;
use tests::dice::Dice;
use tests::wait::until;
use uuid::Uuid;

/// When histories begin.
pub(super) const BEGIN: &str = "2031-03-01T12:00:00Z";

/// What a history has made in one workspace, gone or not.
struct Place {
    people: Vec<Caller>,
    projects: Vec<Uuid>,
    tasks: Vec<Uuid>,
    schedules: Vec<Uuid>,
}

impl Place {
    fn new(dice: &mut Dice) -> Self {
        let workspace = WorkspaceId(dice.uuid());
        let people = (0..3).map(|_| Caller { actor: UserId(dice.uuid()), workspace, role: Role::Owner }).collect();
        Self { people, projects: vec![], tasks: vec![], schedules: vec![] }
    }
}

/// Writes random commands through a running node, while time passes, until there are so many events and nothing is left to happen.
pub(super) async fn write(app: &TestApp, dice: &mut Dice, events: i64) -> Vec<WorkspaceId> {
    let clock = app.clock.as_ref().expect("time is moved");
    let mut places: Vec<Place> = (0..3).map(|_| Place::new(dice)).collect();
    while app.head() < events {
        let at = dice.below(places.len());
        let (caller, name, input) = next(dice, &mut places, at);
        let command: Command = serde_json::from_value(json!({ "command": name, "input": input })).expect("a command of the contract");
        match send(&app.core().application, caller, command).await {
            Ok(_) | Err(CommandError::Refused(_) | CommandError::NotFound(_)) => {}
            Err(error) => panic!("{name}: {error}"),
        }
        if dice.percent(8) {
            clock.pass(TimeDelta::minutes(dice.below(2_000) as i64));
        }
    }
    clock.pass(TimeDelta::days(20));
    quiet(app).await;
    places.iter().map(|place| place.people[0].workspace).collect()
}

/// Waits until every reaction and every firing that is due has happened, and read models know.
pub(super) async fn quiet(app: &TestApp) {
    let clock = app.clock.as_ref().expect("time is moved");
    let pool = app.core().database.worker.clone();
    until("the history comes to rest", || async {
        let head = app.head();
        let now = application::ports::Clock::now(clock.as_ref());
        let behind: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM milepost.projections WHERE state = 'live' AND position < $1) \
             + (SELECT count(*) FROM milepost.schedules WHERE next_fire_at <= $2 AND NOT project_at_rest AND NOT hidden)",
        )
        .bind(head)
        .bind(now)
        .fetch_one(&pool)
        .await
        .expect("the database answers");
        let reacted: Option<i64> =
            sqlx::query_scalar("SELECT min(position) FROM milepost.checkpoints").fetch_one(&pool).await.expect("the database answers");
        (behind == 0 && reacted == Some(head) && app.head() == head).then_some(())
    })
    .await;
}

fn moment(dice: &mut Dice) -> DateTime<Utc> {
    let begin: DateTime<Utc> = BEGIN.parse().expect("an instant");
    begin + TimeDelta::minutes(dice.below(40_000) as i64 - 5_000)
}

fn due(dice: &mut Dice) -> Value {
    if dice.percent(50) {
        json!({ "at": moment(dice) })
    } else {
        json!({ "date": moment(dice).date_naive(), "timeZone": dice.one_of(&["Europe/Zurich", "Pacific/Apia", "UTC"]) })
    }
}

fn words(dice: &mut Dice) -> String {
    let all = ["paint", "Wall", "100%", "under_score", "größe", "🚀", "back\\slash", "\"quoted\"", "{brace,}", "O'Neill", "NULL"];
    let count = 1 + dice.below(3);
    (0..count).map(|_| *dice.one_of(&all)).collect::<Vec<_>>().join(" ")
}

fn tags(dice: &mut Dice) -> Value {
    let count = dice.below(3);
    let tags: Vec<_> = (0..count).map(|_| *dice.one_of(&["home", "a,b", "x\\y", "\"", "{}", "NULL", "größe"])).collect();
    json!(tags)
}

fn status(dice: &mut Dice) -> &'static str {
    ["TODO", "IN_PROGRESS", "IN_REVIEW", "BLOCKED", "DONE", "CANCELLED"][dice.below(6)]
}

/// One of these ids, or an unknown one.
fn one_of(dice: &mut Dice, ids: &[Uuid]) -> Uuid {
    if ids.is_empty() { dice.uuid() } else { *dice.one_of(ids) }
}

/// A command of somebody. Now and then it names something of another workspace.
fn next(dice: &mut Dice, places: &mut [Place], at: usize) -> (Caller, &'static str, Value) {
    let from = if dice.percent(3) { dice.below(places.len()) } else { at };
    let caller = *dice.one_of(&places[at].people);
    let (project, task, schedule) = {
        let place = &places[from];
        (one_of(dice, &place.projects), one_of(dice, &place.tasks), one_of(dice, &place.schedules))
    };
    let place = &mut places[at];
    let roll = dice.below(100);
    let (name, input) = match roll {
        _ if place.projects.len() < 2 || (roll < 3 && place.projects.len() < 6) => create_project(dice, place),
        0..=11 => about_project(dice, project, caller),
        12..=27 => create_task(dice, place, project),
        28..=84 => about_task(dice, task, project, place),
        85..=89 => create_schedule(dice, place, project, task),
        _ => about_schedule(dice, schedule),
    };
    (caller, name, input)
}

fn create_project(dice: &mut Dice, place: &mut Place) -> (&'static str, Value) {
    let id = dice.uuid();
    place.projects.push(id);
    // Few keys, so that some are taken.
    let key = format!("K{}", dice.below(20));
    ("projectCreate", json!({ "id": id, "key": key, "name": words(dice), "description": words(dice), "timeZone": "Europe/Zurich" }))
}

fn about_project(dice: &mut Dice, id: Uuid, caller: Caller) -> (&'static str, Value) {
    let (person, role) = (dice.uuid(), *dice.one_of(&["VIEWER", "EDITOR", "MANAGER", "OWNER"]));
    match dice.below(24) {
        0..=5 => ("projectUpdate", json!({ "id": id, "name": words(dice), "dueOn": moment(dice).date_naive() })),
        6..=8 => ("projectArchive", json!({ "id": id })),
        9..=16 => ("projectUnarchive", json!({ "id": id })),
        17 => ("projectDelete", json!({ "id": id })),
        18..=20 => ("projectCollaboratorAdd", json!({ "id": id, "userId": person, "role": role })),
        21..=22 => ("projectCollaboratorChangeRole", json!({ "id": id, "userId": caller.actor, "role": role })),
        _ => ("projectCollaboratorRemove", json!({ "id": id, "userId": caller.actor })),
    }
}

fn create_task(dice: &mut Dice, place: &mut Place, project: Uuid) -> (&'static str, Value) {
    let id = dice.uuid();
    place.tasks.push(id);
    let mut input = json!({ "id": id, "projectId": project, "title": words(dice), "tags": tags(dice) });
    if dice.percent(50) {
        input["due"] = due(dice);
    }
    if dice.percent(40) {
        input["assigneeIds"] = json!([place.people[0].actor, place.people[1].actor]);
        input["category"] = json!(words(dice));
        input["estimateMinutes"] = json!(dice.below(500));
    }
    ("taskCreate", input)
}

fn about_task(dice: &mut Dice, id: Uuid, project: Uuid, place: &Place) -> (&'static str, Value) {
    let person = dice.one_of(&place.people).actor;
    match dice.below(58) {
        0..=6 => ("taskUpdate", json!({ "id": id, "title": words(dice), "tags": tags(dice), "category": null })),
        7..=11 => ("taskAssign", json!({ "id": id, "userId": person })),
        12..=14 => ("taskUnassign", json!({ "id": id, "userId": person })),
        15..=26 => ("taskChangeStatus", json!({ "id": id, "status": status(dice), "blockedReason": "no paint" })),
        27..=29 => ("taskChangeStatus", json!({ "id": id, "status": status(dice) })),
        30..=33 => ("taskChangePriority", json!({ "id": id, "priority": dice.one_of(&["CRITICAL", "HIGH", "MEDIUM", "LOW"]) })),
        34..=39 => ("taskSetDue", json!({ "id": id, "due": due(dice) })),
        40 => ("taskClearDue", json!({ "id": id })),
        41..=43 => ("taskComplete", json!({ "id": id })),
        44..=47 => ("taskReopen", json!({ "id": id })),
        48..=52 => ("taskMove", json!({ "id": id, "projectId": project })),
        53..=55 => ("taskComment", json!({ "id": id, "body": words(dice) })),
        _ => ("taskDelete", json!({ "id": id })),
    }
}

fn create_schedule(dice: &mut Dice, place: &mut Place, project: Uuid, task: Uuid) -> (&'static str, Value) {
    let id = dice.uuid();
    place.schedules.push(id);
    let mut input = json!({ "id": id, "title": words(dice), "due": due(dice) });
    match dice.below(3) {
        0 => input["projectId"] = json!(project),
        1 => input["taskId"] = json!(task),
        _ => {}
    }
    if dice.percent(50) {
        input["thresholds"] = json!([{ "amount": 1 + dice.below(90), "unit": "MINUTES" }, { "amount": 1 + dice.below(9), "unit": "DAYS" }]);
    }
    ("scheduleCreate", input)
}

fn about_schedule(dice: &mut Dice, id: Uuid) -> (&'static str, Value) {
    match dice.below(10) {
        0..=2 => ("scheduleUpdate", json!({ "id": id, "title": words(dice), "thresholds": [{ "amount": 2, "unit": "HOURS" }] })),
        3..=6 => ("scheduleReschedule", json!({ "id": id, "due": due(dice) })),
        7..=8 => ("scheduleMeet", json!({ "id": id })),
        _ => ("scheduleDelete", json!({ "id": id })),
    }
}
