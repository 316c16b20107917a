//! The ids that clients give: of commands, so that sending them again is safe, and of what they create.

use super::commands::{entity, key, sample};
use super::served_mutations;
use application::caller::Role;
use serde_json::{Value, json};
use tests::app::{Client, TestApp, input_type};
use uuid::Uuid;

/// The whole answer to a mutation.
async fn answer(client: &Client, name: &str, input: &Value) -> Value {
    let query = format!(
        "mutation($i: {}!) {{ r: {name}(input: $i) {{ {} {{ id }} userErrors {{ code }} position version replayed }} }}",
        input_type(name),
        entity(name)
    );
    client.ask(&query, json!({ "i": input })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_sent_again_answers_the_same_and_does_nothing() {
    let app = TestApp::start().await;
    for name in served_mutations(&app.client).await {
        let sample = sample(&app.client, &name).await.with_command_id(Uuid::now_v7());
        let first = answer(&app.client, &name, &sample.input).await;
        assert_eq!(first["data"]["r"]["replayed"], json!(false), "{name}: {first}");
        let stored = app.head();
        let mut again = answer(&app.client, &name, &sample.input).await;
        assert_eq!(again["data"]["r"]["replayed"].take(), json!(true), "{name}: {again}");
        again["data"]["r"]["replayed"] = json!(false);
        assert_eq!(again, first, "{name}: the answer to a retry");
        assert_eq!(own_events(&app, stored).await, json!([]), "{name}: a retry stored something");
    }
    app.stop().await;
}

/// The owner of a project changes somebody's part in it, as far as that is possible.
async fn change_part(owner: &Client, change: &str, project: &Value, of: &Client, role: Option<&str>) {
    answer(owner, "projectUnarchive", &json!({ "id": project })).await;
    let mut input = json!({ "id": project, "userId": of.caller.actor.0 });
    if let Some(role) = role {
        input["role"] = json!(role);
    }
    answer(owner, change, &input).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_sent_again_answers_the_same_also_to_who_has_lost_the_right_to_it() {
    let app = TestApp::start().await;
    let member = app.client.with_role(Role::Member);
    let mut not_forbidden = vec![];
    for name in served_mutations(&app.client).await {
        let mut sample = sample(&app.client, &name).await.with_command_id(Uuid::now_v7());
        let projects = [Some(json!(sample.project)), sample.input.get("projectId").filter(|_| name == "taskMove").cloned()];
        for project in projects.iter().flatten().filter(|_| name != "projectCreate") {
            change_part(&app.client, "projectCollaboratorAdd", project, &member, Some("OWNER")).await;
        }
        if name == "projectUnarchive" {
            app.client.must("projectArchive", "id", json!({ "id": sample.project })).await;
        }
        let first = answer(&member, &name, &sample.input).await;
        assert_eq!(first["data"]["r"]["replayed"], json!(false), "{name}: {first}");
        for project in projects.iter().flatten() {
            change_part(&app.client, "projectCollaboratorRemove", project, &member, None).await;
        }
        let mut again = answer(&member, &name, &sample.input).await;
        assert_eq!(again["data"]["r"]["replayed"].take(), json!(true), "{name}: {again}");
        again["data"]["r"]["replayed"] = json!(false);
        assert_eq!(again, first, "{name}: the answer to a retry");
        sample = sample.with_command_id(Uuid::now_v7());
        if answer(&member, &name, &sample.input).await["errors"][0]["extensions"]["code"] != "FORBIDDEN" {
            not_forbidden.push(name);
        }
    }
    not_forbidden.sort();
    // Who begins a project may always do so, and one that is deleted is found by nobody.
    assert_eq!(not_forbidden, ["projectCreate", "projectDelete"], "of these the test shows less");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_sent_again_answers_the_same_also_to_who_is_a_viewer_by_now() {
    let app = TestApp::start().await;
    let caller = app.client.caller;
    let viewer = Client::new(&app.client.base, caller.workspace.0, caller.actor.0, Role::Viewer);
    for name in served_mutations(&app.client).await {
        let sample = sample(&app.client, &name).await.with_command_id(Uuid::now_v7());
        let first = answer(&app.client, &name, &sample.input).await;
        assert_eq!(first["data"]["r"]["replayed"], json!(false), "{name}: {first}");
        let mut again = answer(&viewer, &name, &sample.input).await;
        assert_eq!(again["data"]["r"]["replayed"].take(), json!(true), "{name}: {again}");
        again["data"]["r"]["replayed"] = json!(false);
        assert_eq!(again, first, "{name}: the answer to a retry");
        // Of others' commands, and of new ones, a viewer learns nothing.
        let other = app.client.with_role(Role::Viewer);
        for (somebody, sample) in [(&other, sample.input.clone()), (&viewer, sample.with_command_id(Uuid::now_v7()).input)] {
            let refused = answer(somebody, &name, &sample).await;
            assert_eq!(refused["errors"][0]["extensions"], json!({ "code": "FORBIDDEN" }), "{name}: {refused}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutation_that_takes_away_the_right_to_it_can_be_sent_again() {
    let app = TestApp::start().await;
    let member = app.client.with_role(Role::Member);
    let (project, me) = (app.client.project().await, member.caller.actor.0);
    let task = app.client.task(&project, "Mine").await;
    let demotion = json!({ "id": project, "userId": me, "role": "VIEWER" });
    for (name, mut input) in [
        ("projectCollaboratorChangeRole", demotion),
        ("projectCollaboratorRemove", json!({ "id": project, "userId": me })),
        ("taskUnassign", json!({ "id": task, "userId": me })),
    ] {
        match name {
            "taskUnassign" => drop(app.client.must("taskAssign", "id", input.clone()).await),
            _ => change_part(&app.client, "projectCollaboratorAdd", &json!(project), &member, Some("MANAGER")).await,
        }
        input["commandId"] = json!(Uuid::now_v7());
        let first = answer(&member, name, &input).await;
        assert_eq!(first["data"]["r"]["replayed"], json!(false), "{name}: {first}");
        let mut again = answer(&member, name, &input).await;
        assert_eq!(again["data"]["r"]["replayed"].take(), json!(true), "{name}: {again}");
        again["data"]["r"]["replayed"] = json!(false);
        assert_eq!(again, first, "{name}: the answer to a retry");
        change_part(&app.client, "projectCollaboratorRemove", &json!(project), &member, None).await;
    }
    app.stop().await;
}

/// Events after a position that the client caused; reactions may add their own.
pub(super) async fn own_events(app: &TestApp, after: i64) -> Value {
    let query = "query($a: Position, $f: EventFilter) { events(after: $a, filter: $f) { nodes { type } } }";
    let variables = json!({ "a": after.to_string(), "f": { "actor": app.client.caller.actor.0 } });
    app.client.data(query, variables).await["events"]["nodes"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_used_for_something_else_is_refused() {
    let app = TestApp::start().await;
    for name in served_mutations(&app.client).await {
        let sample = sample(&app.client, &name).await.with_command_id(Uuid::now_v7());
        answer(&app.client, &name, &sample.input).await;
        let stored = app.head();
        let other = json!({ "commandId": sample.input["commandId"], "key": key(), "name": "Another command" });
        let refused = answer(&app.client, "projectCreate", &other).await;
        assert_eq!(refused["errors"][0]["extensions"], json!({ "code": "COMMAND_ID_REUSED" }), "{name}: {refused}");
        assert_eq!(own_events(&app, stored).await, json!([]), "{name}");
        // Nor by somebody else, even for the very same.
        let somebody = app.client.with_role(app.client.caller.role);
        let refused = answer(&somebody, &name, &sample.input).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "COMMAND_ID_REUSED", "{name}: {refused}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_means_nothing_in_another_workspace() {
    let app = TestApp::start().await;
    let input = json!({ "commandId": Uuid::now_v7(), "key": key(), "name": "Ours" });
    let ours = answer(&app.client, "projectCreate", &input).await;
    let theirs = answer(&app.client.elsewhere(), "projectCreate", &input).await;
    for made in [&ours, &theirs] {
        assert_eq!(made["data"]["r"]["replayed"], json!(false), "{made}");
    }
    assert_ne!(ours["data"]["r"]["project"]["id"], theirs["data"]["r"]["project"]["id"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_sendings_at_once_have_one_effect() {
    let app = TestApp::start().await;
    let input = json!({ "commandId": Uuid::now_v7(), "projectId": app.client.project().await, "title": "Once" });
    let answers = futures::future::join_all((0..8).map(|_| answer(&app.client, "taskCreate", &input))).await;
    let first = answers.iter().filter(|answer| answer["data"]["r"]["replayed"] == json!(false)).count();
    assert_eq!(first, 1, "{answers:#?}");
    for one in &answers {
        assert_eq!(one["data"]["r"]["task"], answers[0]["data"]["r"]["task"], "{answers:#?}");
        assert_eq!(one["data"]["r"]["position"], answers[0]["data"]["r"]["position"], "{answers:#?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_without_effect_stores_nothing_and_stays_settled() {
    let app = TestApp::start().await;
    let task = app.client.task(&app.client.project().await, "Same").await;
    let input = json!({ "commandId": Uuid::now_v7(), "id": task, "title": "Same" });
    let first = answer(&app.client, "taskUpdate", &input).await;
    let expected = json!({ "task": { "id": task }, "userErrors": [], "position": "2", "version": 1, "replayed": false });
    assert_eq!(first["data"]["r"], expected);
    app.client.must("taskUpdate", "id", json!({ "id": task, "title": "Other" })).await;
    // Its late retry does not undo the newer change.
    let again = answer(&app.client, "taskUpdate", &input).await;
    assert_eq!(again["data"]["r"], json!({ "task": { "id": task }, "userErrors": [], "position": "2", "version": 1, "replayed": true }));
    let seen = app.client.must("taskUpdate", "title version", json!({ "id": task, "title": "Other" })).await;
    assert_eq!(seen["task"], json!({ "title": "Other", "version": 2 }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_not_remembered() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let input = json!({ "commandId": Uuid::now_v7(), "projectId": project, "title": "Later" });
    app.client.must("projectArchive", "id", json!({ "id": project })).await;
    assert_eq!(answer(&app.client, "taskCreate", &input).await["data"]["r"]["userErrors"], json!([{ "code": "PROJECT_ARCHIVED" }]));
    app.client.must("projectUnarchive", "id", json!({ "id": project })).await;
    let made = answer(&app.client, "taskCreate", &input).await;
    assert_eq!(made["data"]["r"]["replayed"], json!(false), "{made}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_choose_ids_and_get_none_that_is_taken() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let due = json!({ "at": "2031-01-01T00:00:00Z" });
    let mut taken = vec![project.clone()];
    for (name, more) in [
        ("projectCreate", json!({ "name": "Chosen" })),
        ("taskCreate", json!({ "projectId": project, "title": "Chosen" })),
        ("scheduleCreate", json!({ "title": "Chosen", "due": due })),
    ] {
        for id in [Uuid::now_v7(), Uuid::new_v4()] {
            let mut input = more.clone();
            input["id"] = json!(id.to_string().to_uppercase());
            if name == "projectCreate" {
                input["key"] = json!(key());
            }
            let made = app.client.must(name, "id", input.clone()).await;
            assert_eq!(made[entity(name)]["id"], json!(id), "{name}");
            taken.push(id.to_string());
        }
        // Taken by whatever there is, in whatever workspace; who took it is not said.
        for id in &taken {
            for client in [&app.client, &app.client.elsewhere()] {
                let mut input = more.clone();
                input["id"] = json!(id);
                input["key"] = json!(key());
                if name != "projectCreate" {
                    input.as_object_mut().expect("an object").remove("key");
                }
                if name == "taskCreate" {
                    input["projectId"] = json!(client.project().await);
                }
                let refused = client.mutate(name, "id", input).await;
                assert_eq!(refused["userErrors"][0]["code"], "ID_TAKEN", "{name} {id}: {refused}");
                assert_eq!(refused["userErrors"][0]["path"], json!(["id"]), "{refused}");
            }
        }
    }
    app.stop().await;
}
