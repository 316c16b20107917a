//! What one sender does never stops another's reactions: an event that is stuck parks its own aggregate, and an admin sees
//! it, tries it again or skips it, while nodes serve.

use super::{Scene, must};
use application::caller::Caller;
use domain::ids::{TaskId, derived};
use serde_json::{Value, json};
use server::wire::Core;
use sqlx::{Executor, PgPool};
use tests::app::{TestApp, settings};
use tests::builders;
use tests::process::{Output, Run, run};
use tests::wait::until;
use uuid::Uuid;

const REACTION: &str = "keep_schedule_in_step_with_task";

/// No schedule may be called so, whatever wants to store it.
const NO_POISON: &str = "CREATE FUNCTION milepost.no_poison() RETURNS trigger LANGUAGE plpgsql AS $$ \
    BEGIN RAISE EXCEPTION 'a planted error'; END $$; \
    CREATE TRIGGER no_poison BEFORE INSERT ON milepost.events FOR EACH ROW \
    WHEN (NEW.event_type = 'schedule_created' AND NEW.payload -> 'schedule_created' ->> 'title' = 'poison') \
    EXECUTE FUNCTION milepost.no_poison()";

async fn milepost(app: &TestApp, arguments: &[&str]) -> Output {
    let mut how = Run::of(arguments);
    how.environment.push(("DATABASE_URL", app.database.url.clone()));
    run(env!("CARGO_BIN_EXE_milepost-under-test"), how, None).await
}

fn done(output: Output) -> String {
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    output.stdout
}

async fn due_task(app: &TestApp, who: Caller, project: Uuid, title: &str) -> Uuid {
    let input = json!({ "projectId": project, "title": title, "due": { "date": "2031-07-01" } });
    must(&app.core().application, who, "taskCreate", input).await
}

async fn project_of(app: &TestApp, who: Caller) -> Uuid {
    let input = json!({ "key": builders::new_project().key, "name": "A project" });
    must(&app.core().application, who, "projectCreate", input).await
}

/// The titles of all schedules that follow tasks.
async fn followers(pool: &PgPool) -> Vec<String> {
    let titles = "SELECT title FROM milepost.schedules WHERE follows_task ORDER BY title";
    sqlx::query_scalar(titles).fetch_all(pool).await.expect("the read model can be read")
}

/// The notices of a name.
async fn notices(app: &TestApp, name: &str) -> Vec<String> {
    let (_, body) = app.client.get("/readyz").await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let notices = body["notices"].as_array().expect("a list").iter().filter(|notice| notice["name"] == name);
    notices.map(|notice| notice["message"].as_str().expect("a sentence").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_id_that_a_client_may_choose_stands_in_the_way_of_a_follower() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    let (mine, hostile) = (scene.caller, builders::somebody());
    let (project, theirs) = (project_of(&app, mine).await, project_of(&app, hostile).await);
    let task = Uuid::now_v7();
    // Every id that follows from the task's by a rule that was once in use.
    let mut id = derived(&["schedule of task", &TaskId(task).to_string()]);
    for _ in 0..10 {
        must(&app.core().application, hostile, "taskCreate", json!({ "id": id, "projectId": theirs, "title": "In the way" })).await;
        id = derived(&["instead of", &id.to_string()]);
    }
    let input = json!({ "id": task, "projectId": project, "title": "Watched", "due": { "date": "2031-07-01" } });
    must(&app.core().application, mine, "taskCreate", input).await;
    due_task(&app, hostile, theirs, "Of others").await;
    scene.at_rest().await;
    assert_eq!(followers(&scene.pool).await, ["Of others", "Watched"]);
    assert_eq!(notices(&app, "reaction_events_parked").await, Vec::<String>::new());
    let claims: Vec<(String, String)> = sqlx::query_as(
        "SELECT value, held_by FROM milepost.claims WHERE kind = 'task_schedule' AND value = $1 AND held_by IN \
         (SELECT id::text FROM milepost.schedules WHERE task_id = $1::uuid)",
    )
    .bind(task.to_string())
    .fetch_all(&scene.pool)
    .await
    .expect("claims can be read");
    assert_eq!(claims.len(), 1, "the task's claim is held by its schedule");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_answered_parks_its_aggregate_and_everybody_else_goes_on() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    scene.pool.execute(NO_POISON).await.expect("a trigger can be made");
    let (mine, other) = (scene.caller, builders::somebody());
    let (project, theirs) = (project_of(&app, mine).await, project_of(&app, other).await);
    let sick = due_task(&app, mine, project, "poison").await;
    due_task(&app, mine, project, "well").await;
    due_task(&app, other, theirs, "of others").await;
    // The task has another title now, but what follows waits behind what is stuck.
    must(&app.core().application, mine, "taskSetDue", json!({ "id": sick, "due": { "date": "2031-08-01" } })).await;
    scene.at_rest().await;
    assert_eq!(followers(&scene.pool).await, ["of others", "well"]);
    let parked =
        "2 events of the reaction keep_schedule_in_step_with_task are parked; `milepost dead-letters list --source reactions` shows why";
    assert_eq!(notices(&app, "reaction_events_parked").await, [parked]);

    let listed: Value = serde_json::from_str(&done(milepost(&app, &["dead-letters", "list", "--json"]).await)).expect("JSON");
    let seen: Vec<_> = listed.as_array().expect("a list").iter().map(|one| (&one["source"], &one["name"], &one["aggregateId"])).collect();
    let (source, name, aggregate) = (json!("reactions"), json!(REACTION), json!(sick));
    assert_eq!(seen, [(&source, &name, &aggregate), (&source, &name, &aggregate)]);
    assert_eq!((&listed[0]["eventType"], &listed[1]["eventType"]), (&json!("task_created"), &json!("task_due_date_changed")));
    assert!(listed[0]["error"].as_str().is_some_and(|error| error.contains("a planted error")), "{listed}");
    assert_eq!((&listed[1]["error"], &listed[1]["tries"]), (&Value::Null, &json!(0)), "{listed}");
    let (first, second) = (listed[0]["position"].as_str().expect("a position"), listed[1]["position"].as_str().expect("a position"));
    let of_reactions = |what, position| ["dead-letters", what, "--source", "reactions", position];
    let shown = [&of_reactions("show", second)[..], &["--json"]].concat();
    let shown: Value = serde_json::from_str(&done(milepost(&app, &shown).await)).expect("JSON");
    assert_eq!((&shown["waitsBehind"], &shown["waitBehindIt"]), (&json!([first]), &json!([])));
    let table = done(milepost(&app, &of_reactions("show", first)).await);
    assert!(table.contains("a planted error") && table.contains(second), "{table}");

    let again = milepost(&app, &of_reactions("retry", first)).await;
    assert!(again.status == 1 && again.stderr.contains("still cannot be processed"), "{}{}", again.stdout, again.stderr);
    let out_of_turn = milepost(&app, &[&of_reactions("skip", second)[..], &["--reason", "none"]].concat()).await;
    assert!(out_of_turn.status == 1 && out_of_turn.stderr.contains("waits behind event"), "{}", out_of_turn.stderr);
    scene.pool.execute("DROP TRIGGER no_poison ON milepost.events").await.expect("it can be dropped");
    let mended = done(milepost(&app, &of_reactions("retry", second)).await);
    assert!(mended.contains("are processed"), "{mended}");
    scene.at_rest().await;
    assert_eq!(followers(&scene.pool).await, ["of others", "poison", "well"]);
    let due: String = sqlx::query_scalar("SELECT due_date::text FROM milepost.schedules WHERE title = 'poison'")
        .fetch_one(&scene.pool)
        .await
        .expect("a schedule");
    assert_eq!(due, "2031-08-01", "what waited behind it was dealt with as well");
    until("the notice is gone", || async { notices(&app, "reaction_events_parked").await.is_empty().then_some(()) }).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_event_is_skipped_on_the_record_and_what_waits_behind_it_goes_on() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let app = scene.node().await;
    scene.pool.execute(NO_POISON).await.expect("a trigger can be made");
    let project = project_of(&app, scene.caller).await;
    let sick = due_task(&app, scene.caller, project, "poison").await;
    scene.at_rest().await;
    must(&app.core().application, scene.caller, "taskUpdate", json!({ "id": sick, "title": "better" })).await;
    scene.at_rest().await;
    let position: i64 = sqlx::query_scalar("SELECT position FROM milepost.parked_events WHERE error IS NOT NULL")
        .fetch_one(&scene.pool)
        .await
        .expect("one event is stuck");
    let skip = ["dead-letters", "skip", "--source", "reactions", "--name", REACTION, "--reason", "a test of ours", "--by", "Anna"];
    done(milepost(&app, &[&skip[..], &[&position.to_string()]].concat()).await);
    until("what waited behind it is dealt with", || async { (followers(&scene.pool).await == ["better"]).then_some(()) }).await;
    let recorded: (String, i64, Uuid, String, String, String) = sqlx::query_as(
        "SELECT name, position, aggregate_id, event_type, reason, skipped_by FROM milepost.skipped_events WHERE error LIKE '%a planted error%'",
    )
    .fetch_one(&scene.pool)
    .await
    .expect("it is on record");
    let expected = (REACTION, position, sick, "task_created", "a test of ours", "Anna");
    assert_eq!((recorded.0.as_str(), recorded.1, recorded.2, recorded.3.as_str(), recorded.4.as_str(), recorded.5.as_str()), expected);
    assert_eq!(done(milepost(&app, &["dead-letters", "list", "--json"]).await).trim(), "[]");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_takes_nothing_from_anybody_parks_nothing_and_is_told() {
    let scene = Scene::at("2031-06-02T08:00:00Z").await;
    let core = Core::open(&settings(&scene.database.url)).await.expect("the database is there");
    let project = must(&core.application, scene.caller, "projectCreate", json!({ "key": "WAITS", "name": "Waits" })).await;
    let input = json!({ "projectId": project, "title": "Waits", "due": { "date": "2031-07-01" } });
    must(&core.application, scene.caller, "taskCreate", input).await;
    core.close().await;
    scene.pool.execute("REVOKE INSERT ON milepost.events FROM milepost_worker").await.expect("a right can be taken away");
    let app = scene.node().await;
    let told = until("it is told", || async { notices(&app, "reaction_stuck").await.pop() }).await;
    assert!(told.contains(REACTION) && told.contains("permission denied"), "{told}");
    scene.pool.execute("GRANT INSERT ON milepost.events TO milepost_worker").await.expect("a right can be given");
    scene.at_rest().await;
    assert_eq!(followers(&scene.pool).await, ["Waits"]);
    let parked: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.parked_events").fetch_one(&scene.pool).await.expect("a count");
    assert_eq!(parked, 0);
    until("the notice is gone", || async { notices(&app, "reaction_stuck").await.is_empty().then_some(()) }).await;
    app.stop().await;
}
