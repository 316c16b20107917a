//! What people read: the history of a thing, what was said about it, which deadlines were announced, and how far projects are.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::app::TestApp;

async fn started() -> TestApp {
    TestApp::start_at("2031-03-01T12:00:00Z".parse().expect("an instant")).await
}

async fn summaries(app: &TestApp, subject: &Value) -> Vec<String> {
    super::history::quiet(app).await;
    let found =
        app.client.data("query($id: ID!) { history(subjectId: $id, first: 100) { nodes { summary } } }", json!({ "id": subject })).await;
    let nodes = found["history"]["nodes"].as_array().expect("a list").clone();
    nodes.iter().map(|node| node["summary"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_a_task_reads_as_what_people_did() {
    let app = started().await;
    let client = &app.client;
    client.must("projectCreate", "id", json!({ "id": "00000000-0000-4000-8000-000000000001", "key": "ONE", "name": "One" })).await;
    client.must("projectCreate", "id", json!({ "id": "00000000-0000-4000-8000-000000000002", "key": "TWO", "name": "Two" })).await;
    let person = "00000000-0000-4000-8000-00000000000a";
    let input = json!({ "projectId": "00000000-0000-4000-8000-000000000001", "title": "Paint the hall" });
    let id = client.must("taskCreate", "id", input).await["task"]["id"].clone();
    let steps = [
        (
            "taskUpdate",
            json!({ "title": "Paint all", "description": "Twice", "category": "rooms", "tags": ["b", "a"], "estimateMinutes": 90 }),
        ),
        ("taskUpdate", json!({ "category": null, "tags": [], "estimateMinutes": null })),
        ("taskAssign", json!({ "userId": person })),
        ("taskUnassign", json!({ "userId": person })),
        ("taskChangeStatus", json!({ "status": "IN_PROGRESS" })),
        ("taskChangeStatus", json!({ "status": "BLOCKED", "blockedReason": "no paint" })),
        ("taskChangePriority", json!({ "priority": "CRITICAL" })),
        ("taskSetDue", json!({ "due": { "date": "2031-04-01", "timeZone": "Europe/Zurich" } })),
        ("taskSetDue", json!({ "due": { "at": "2031-04-01T10:30:00Z" } })),
        ("taskClearDue", json!({})),
        ("taskComment", json!({ "body": format!("First line\n{}", "ö".repeat(80)) })),
        ("taskMove", json!({ "projectId": "00000000-0000-4000-8000-000000000002" })),
        ("taskComplete", json!({})),
        ("taskReopen", json!({})),
        ("taskDelete", json!({})),
    ];
    for (mutation, mut input) in steps {
        input["id"] = id.clone();
        client.must(mutation, "id", input).await;
    }
    let expected = [
        "created ONE-1 “Paint the hall”".to_owned(),
        "changed the title to “Paint all”, the description, the category to rooms, the tags to a, b and the estimate to 90 minutes"
            .to_owned(),
        "changed the category to none, the tags to none and the estimate to none".to_owned(),
        format!("assigned {person}"),
        format!("unassigned {person}"),
        "moved it from todo to in_progress".to_owned(),
        "moved it from in_progress to blocked: no paint".to_owned(),
        "changed the priority from medium to critical".to_owned(),
        "set it due 2031-04-01 (Europe/Zurich)".to_owned(),
        "set it due 2031-04-01 10:30 UTC".to_owned(),
        "cleared its due date".to_owned(),
        format!("said “First line {}…”", "ö".repeat(69)),
        "moved it from ONE-1 to TWO-1".to_owned(),
        "completed “Paint all”".to_owned(),
        "reopened it; it was done".to_owned(),
        "deleted “Paint all”".to_owned(),
    ];
    assert_eq!(summaries(&app, &id).await, expected);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comments_come_in_the_order_in_which_they_were_said_page_by_page() {
    let app = started().await;
    let project = app.client.project().await;
    let (task, other) = (app.client.task(&project, "Talked about").await, app.client.task(&project, "Another").await);
    for number in 1..=5 {
        app.client.must("taskComment", "id", json!({ "id": task, "body": format!("Number {number}") })).await;
        app.client.must("taskComment", "id", json!({ "id": other, "body": "Elsewhere" })).await;
    }
    app.settled().await;
    let ask = "query($id: ID!, $after: String) { task(id: $id) { comments(first: 2, after: $after) {
        totalCount nodes { body author createdAt } pageInfo { hasNextPage endCursor } } } }";
    let (mut said, mut after) = (vec![], json!(null));
    loop {
        let page = app.client.data(ask, json!({ "id": task, "after": after })).await["task"]["comments"].clone();
        assert_eq!(page["totalCount"], json!(5));
        said.extend(page["nodes"].as_array().expect("a list").clone());
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    let actor = app.client.caller.actor.to_string();
    let expected: Vec<Value> = (1..=5)
        .map(|number| json!({ "body": format!("Number {number}"), "author": actor, "createdAt": "2031-03-01T12:00:00.000Z" }))
        .collect();
    assert_eq!(said, expected);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_say_how_late_they_were_announced_and_schedules_when_they_fire_next() {
    let app = started().await;
    let (client, clock) = (&app.client, app.clock.as_ref().expect("time is moved"));
    let project = client.project().await;
    let thresholds = json!([{ "amount": 2, "unit": "DAYS" }, { "amount": 90, "unit": "MINUTES" }]);
    let input = json!({ "projectId": project, "title": "Opening", "due": { "at": "2031-03-10T12:00:00Z" }, "thresholds": thresholds });
    let schedule = client.must("scheduleCreate", "id", input).await["schedule"]["id"].clone();
    let state = || async {
        super::history::quiet(&app).await;
        let ask = "query($id: ID!) { schedule(id: $id) { state nextFireAt dueRevision } deadlines { nodes {
            kind dueRevision dueAt firedAt lateByMs threshold { amount unit } } } }";
        let found = client.data(ask, json!({ "id": schedule })).await;
        (found["schedule"].clone(), found["deadlines"]["nodes"].as_array().expect("a list").clone())
    };
    assert_eq!(state().await, (json!({ "state": "PENDING", "nextFireAt": "2031-03-08T12:00:00.000Z", "dueRevision": 1 }), vec![]));

    // A project that rests fires nothing, and shows no next moment.
    client.must("projectArchive", "id", json!({ "id": project })).await;
    clock.pass(TimeDelta::days(7) + TimeDelta::seconds(90));
    assert_eq!(state().await, (json!({ "state": "PENDING", "nextFireAt": null, "dueRevision": 1 }), vec![]));
    client.must("projectUnarchive", "id", json!({ "id": project })).await;
    let warned = json!({
        "kind": "APPROACHING", "dueRevision": 1, "dueAt": "2031-03-10T12:00:00.000Z", "firedAt": "2031-03-08T12:01:30.000Z",
        "lateByMs": 90_000, "threshold": { "amount": 2, "unit": "DAYS" },
    });
    assert_eq!(
        state().await,
        (json!({ "state": "APPROACHING", "nextFireAt": "2031-03-10T10:30:00.000Z", "dueRevision": 1 }), vec![warned.clone()])
    );

    clock.set("2031-03-10T12:00:00.250Z".parse().expect("an instant"));
    let late = json!({
        "kind": "OVERDUE", "dueRevision": 1, "dueAt": "2031-03-10T12:00:00.000Z", "firedAt": "2031-03-10T12:00:00.250Z",
        "lateByMs": 250, "threshold": null,
    });
    assert_eq!(state().await, (json!({ "state": "OVERDUE", "nextFireAt": null, "dueRevision": 1 }), vec![warned.clone(), late.clone()]));

    client.must("scheduleReschedule", "id", json!({ "id": schedule, "due": { "at": "2031-04-10T12:00:00Z" } })).await;
    assert_eq!(
        state().await,
        (json!({ "state": "PENDING", "nextFireAt": "2031-04-08T12:00:00.000Z", "dueRevision": 2 }), vec![warned.clone(), late.clone()])
    );
    client.must("scheduleMeet", "id", json!({ "id": schedule })).await;
    clock.pass(TimeDelta::days(100));
    assert_eq!(state().await, (json!({ "state": "MET", "nextFireAt": null, "dueRevision": 2 }), vec![warned, late]));
    assert_eq!(
        summaries(&app, &schedule).await,
        [
            "scheduled “Opening” for 2031-03-10 12:00 UTC",
            "“Opening” is due 2031-03-10 12:00 UTC, within 2 days",
            "“Opening” was due 2031-03-10 12:00 UTC and is overdue",
            "moved it from 2031-03-10 12:00 UTC to 2031-04-10 12:00 UTC",
            "met “Opening”, due 2031-04-10 12:00 UTC",
        ]
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_counts_its_tasks_through_moves_reopenings_and_deletions() {
    let app = started().await;
    let client = &app.client;
    let (one, two) = (client.project().await, client.project().await);
    let mut tasks = vec![];
    for title in ["a", "b", "c", "d"] {
        tasks.push(client.task(&one, title).await);
    }
    let counts = |project: &str| {
        let (app, project) = (&app, project.to_owned());
        async move {
            app.settled().await;
            let ask = "query($id: ID!) { project(id: $id) { taskCounts { total todo inProgress inReview blocked done cancelled } } }";
            let counts = app.client.data(ask, json!({ "id": project })).await["project"]["taskCounts"].clone();
            ["total", "todo", "inProgress", "inReview", "blocked", "done", "cancelled"].map(|name| counts[name].as_i64().expect("a number"))
        }
    };
    assert_eq!(counts(&one).await, [4, 4, 0, 0, 0, 0, 0]);
    client.must("taskChangeStatus", "id", json!({ "id": tasks[0], "status": "IN_PROGRESS" })).await;
    client.must("taskChangeStatus", "id", json!({ "id": tasks[1], "status": "IN_REVIEW" })).await;
    client.must("taskChangeStatus", "id", json!({ "id": tasks[2], "status": "BLOCKED", "blockedReason": "rain" })).await;
    client.must("taskChangeStatus", "id", json!({ "id": tasks[2], "status": "BLOCKED", "blockedReason": "snow" })).await;
    client.must("taskComplete", "id", json!({ "id": tasks[3] })).await;
    assert_eq!(counts(&one).await, [4, 0, 1, 1, 1, 1, 0]);
    client.must("taskMove", "id", json!({ "id": tasks[0], "projectId": two })).await;
    client.must("taskMove", "id", json!({ "id": tasks[2], "projectId": two })).await;
    assert_eq!((counts(&one).await, counts(&two).await), ([2, 0, 0, 1, 0, 1, 0], [2, 0, 1, 0, 1, 0, 0]));
    client.must("taskReopen", "id", json!({ "id": tasks[3] })).await;
    client.must("taskChangeStatus", "id", json!({ "id": tasks[2], "status": "CANCELLED" })).await;
    assert_eq!((counts(&one).await, counts(&two).await), ([2, 1, 0, 1, 0, 0, 0], [2, 0, 1, 0, 0, 0, 1]));
    client.must("taskDelete", "id", json!({ "id": tasks[1] })).await;
    client.must("taskDelete", "id", json!({ "id": tasks[2] })).await;
    assert_eq!((counts(&one).await, counts(&two).await), ([1, 1, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0]));
    app.stop().await;
}
