//! Schedules go with what they are about: those of a deleted project or task leave lists, counts and deadlines.

use super::{Scene, instant};
use serde_json::{Value, json};
use tests::app::Client;

const LISTS: &str = "query($p: ID!) { schedules { totalCount nodes { title } } all: schedules(filter: { state: \
    [PENDING, APPROACHING, OVERDUE, MET, DELETED] }) { totalCount } ofProject: schedules(filter: { projectId: { eq: $p } }) { totalCount } \
    deadlines { totalCount nodes { schedule { title } } } }";

/// What lists and counts say: the titles of schedules, how many there are in any state, how many of a project, and the titles of
/// those that fired.
async fn listed(client: &Client, project: &Value) -> (Vec<String>, Value, Value, Vec<String>) {
    let data = client.data(LISTS, json!({ "p": project })).await;
    let titles = |nodes: &Value, at: &str| {
        let nodes = nodes.as_array().expect("a list").iter();
        let mut titles: Vec<_> = nodes.map(|node| node.pointer(at).and_then(Value::as_str).expect("a title").to_owned()).collect();
        titles.sort();
        titles
    };
    let (schedules, deadlines) = (&data["schedules"], &data["deadlines"]);
    let (found, fired) = (titles(&schedules["nodes"], "/title"), titles(&deadlines["nodes"], "/schedule/title"));
    assert_eq!((&schedules["totalCount"], &deadlines["totalCount"]), (&json!(found.len()), &json!(fired.len())), "counts are of lists");
    (found, data["all"]["totalCount"].clone(), data["ofProject"]["totalCount"].clone(), fired)
}

/// What an id names, by itself and as a node.
async fn by_id(client: &Client, id: &Value) -> Value {
    let query = "query($i: ID!) { schedule(id: $i) { state } node(id: $i) { __typename } }";
    client.data(query, json!({ "i": id })).await
}

/// A project with a task that is due, a schedule of that task, and one of the project. All of them have fired.
async fn late_project(scene: &Scene, client: &Client, app: &tests::app::TestApp, name: &str) -> (Value, Value, Vec<Value>) {
    let project = json!(scene.project(app, "UTC").await);
    let due = json!({ "date": "2031-06-03" });
    let task = json!({ "projectId": project, "title": format!("{name} followed"), "due": due });
    let task = client.must("taskCreate", "id", task).await["task"]["id"].clone();
    let mut ids = vec![];
    for (what, about) in [("of the task", json!({ "taskId": task })), ("of the project", json!({ "projectId": project }))] {
        let mut input = json!({ "title": format!("{name} {what}"), "due": due, "thresholds": [] });
        input.as_object_mut().expect("an object").extend(about.as_object().expect("an object").clone());
        ids.push(client.must("scheduleCreate", "id", input).await["schedule"]["id"].clone());
    }
    scene.at_rest().await;
    let follower = client.data("query($i: ID!) { task(id: $i) { schedule { id } } }", json!({ "i": task })).await;
    ids.push(follower["task"]["schedule"]["id"].clone());
    (project, task, ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schedules_of_a_deleted_project_leave_lists_counts_and_deadlines_as_its_tasks_do() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    let client = &app.client;
    let (kept, _, kept_ids) = late_project(&scene, client, &app, "Kept").await;
    let (doomed, _, doomed_ids) = late_project(&scene, client, &app, "Doomed").await;
    client.must("scheduleCreate", "id", json!({ "title": "A milestone", "due": { "date": "2032-01-01" } })).await;
    scene.moved_to(instant("2031-06-10T00:00:00Z")).await;
    let of = |name: &str| ["followed", "of the project", "of the task"].map(|what| format!("{name} {what}")).to_vec();
    let milestone = vec!["A milestone".to_owned()];
    let both = [milestone.clone(), of("Doomed"), of("Kept")].concat();
    // Each follower has warned at once or then, and each of the others only once.
    let fired = |list: &[String]| -> Vec<String> { both.iter().filter(|title| list.contains(title)).cloned().collect() };
    let (found, all, of_doomed, seen) = listed(client, &doomed).await;
    assert_eq!((found, all, of_doomed), (both.clone(), json!(7), json!(3)));
    assert_eq!(fired(&seen), [of("Doomed"), of("Kept")].concat());
    let firing = client.data("query($i: ID!) { schedule(id: $i) { firings { id } } }", json!({ "i": doomed_ids[0] })).await;
    let firing = firing["schedule"]["firings"][0]["id"].clone();
    assert_eq!(client.data("query($i: ID!) { node(id: $i) { id } }", json!({ "i": firing })).await["node"]["id"], firing);

    // Resting hides nothing.
    client.must("projectArchive", "id", json!({ "id": doomed })).await;
    scene.at_rest().await;
    assert_eq!(listed(client, &doomed).await.0, both);
    client.must("projectDelete", "id", json!({ "id": doomed })).await;
    scene.at_rest().await;
    let (found, all, of_doomed, seen) = listed(client, &doomed).await;
    assert_eq!((found, all, of_doomed), ([milestone, of("Kept")].concat(), json!(4), json!(0)));
    assert_eq!(fired(&seen), of("Kept"));
    for id in &doomed_ids {
        assert_eq!(by_id(client, id).await, json!({ "schedule": null, "node": null }));
    }
    for id in &kept_ids {
        assert_eq!(by_id(client, id).await, json!({ "schedule": { "state": "OVERDUE" }, "node": { "__typename": "Schedule" } }));
    }
    assert_eq!(client.data("query($i: ID!) { node(id: $i) { id } }", json!({ "i": firing })).await, json!({ "node": null }));
    assert_eq!(listed(client, &kept).await.2, json!(3));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schedules_of_a_deleted_task_go_with_it_and_those_of_its_project_stay() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    let client = &app.client;
    let (project, task, ids) = late_project(&scene, client, &app, "One").await;
    scene.moved_to(instant("2031-06-10T00:00:00Z")).await;
    client.must("taskDelete", "id", json!({ "id": task })).await;
    scene.at_rest().await;
    let (found, all, of_project, fired) = listed(client, &project).await;
    assert_eq!(
        (found, all, of_project, fired),
        (vec!["One of the project".to_owned()], json!(1), json!(1), vec!["One of the project".to_owned()])
    );
    for (id, schedule) in ids.iter().zip([Value::Null, json!({ "state": "OVERDUE" }), Value::Null]) {
        assert_eq!(by_id(client, id).await["schedule"], schedule);
    }
    // What is hidden can still be deleted, and the answer shows its last state.
    let last = client.must("scheduleDelete", "title state", json!({ "id": ids[0] })).await;
    assert_eq!(last["schedule"], json!({ "title": "One of the task", "state": "DELETED" }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_begins_to_follow_a_task_whose_project_was_deleted_before_a_node_came_to_it() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let clock: std::sync::Arc<dyn application::ports::Clock> = scene.clock.clone();
    let settings = tests::app::settings(&scene.database.url);
    let core = server::wire::Core::open_with(&settings, clock).await.expect("the database is there");
    // No node runs, so no reaction does.
    let project = super::must(&core.application, scene.caller, "projectCreate", json!({ "key": "GONE", "name": "Gone" })).await;
    let input = json!({ "projectId": project, "title": "Was due", "due": { "date": "2031-06-02" } });
    super::must(&core.application, scene.caller, "taskCreate", input).await;
    super::must(&core.application, scene.caller, "projectDelete", json!({ "id": project })).await;
    core.close().await;
    let app = scene.node().await;
    scene.moved_to(instant("2031-06-10T00:00:00Z")).await;
    let (found, all, _, fired) = listed(&app.client, &json!(project)).await;
    assert_eq!((found, all, fired), (vec![], json!(0), vec![]));
    let parked: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.parked_events").fetch_one(&scene.pool).await.expect("a count");
    assert_eq!(parked, 0, "there was nothing to do");
    app.stop().await;
}
