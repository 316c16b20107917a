//! History: when something happened and who did it, for those who look after a workspace.

use super::story::{WORKSPACE, file_of, line};
use super::{Folder, done, head, milepost};
use application::caller::{Caller, Role};
use application::import::{LineOutcome, Refused, import};
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{UserId, WorkspaceId, system};
use futures::StreamExt;
use serde_json::{Value, json};
use server::wire::Core;
use tests::database::TestDatabase;
use uuid::Uuid;

/// A project begun long ago by somebody else, and a task of today.
fn history(actor: Uuid) -> Vec<Value> {
    let project = Uuid::now_v7();
    let mut old = line("projectCreate", json!({ "id": project, "key": "OLD", "name": "Long ago" }));
    old["at"] = json!("2019-03-31T02:30:00.123456+02:00");
    old["actor"] = json!(actor);
    vec![old, line("taskCreate", json!({ "projectId": project, "title": "Today" }))]
}

type Row = (String, DateTime<Utc>, DateTime<Utc>, Uuid);

async fn events(database: &TestDatabase) -> Vec<Row> {
    sqlx::query_as(
        "SELECT event_type, (metadata ->> 'occurred_at')::timestamptz, recorded_at, (metadata ->> 'actor')::uuid \
         FROM milepost.events ORDER BY position",
    )
    .fetch_all(&database.pool().await)
    .await
    .expect("the log can be read")
}

#[tokio::test]
async fn what_happened_long_ago_is_kept_beside_when_it_was_recorded() {
    let (database, folder, somebody, importer) = (TestDatabase::new().await, Folder::new(), Uuid::now_v7(), Uuid::now_v7());
    let file = folder.file("history.ndjson", file_of(&history(somebody)));
    let arguments = ["import", &file, "--workspace", WORKSPACE, "--actor", &importer.to_string()];
    let begun = Utc::now();
    done(milepost(&arguments, &[("DATABASE_URL", &database.url)]).await);
    let events = events(&database).await;
    let (_, occurred_at, recorded_at, actor) = &events[0];
    assert_eq!(occurred_at.to_rfc3339(), "2019-03-31T00:30:00.123+00:00");
    assert_eq!(*actor, somebody);
    let minute = TimeDelta::minutes(1);
    assert!((begun - minute..Utc::now() + minute).contains(recorded_at), "{recorded_at}");
    let (_, occurred_at, recorded_at, actor) = &events[1];
    assert!((*recorded_at - *occurred_at).abs() < minute);
    assert_eq!(*actor, importer, "without an actor of its own a line is whose who imports");
}

#[tokio::test]
async fn without_an_actor_the_import_itself_is_named() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let file = folder.file("history.ndjson", file_of(&history(Uuid::now_v7())));
    done(milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &database.url)]).await);
    assert_eq!(events(&database).await[1].3, system::IMPORT.0);
}

#[tokio::test]
async fn history_is_refused_to_those_who_do_not_look_after_the_workspace() {
    let database = TestDatabase::new().await;
    let core = Core::open(&tests::app::settings(&database.url)).await.expect("the database is there");
    let workspace = WorkspaceId(WORKSPACE.parse().expect("a UUID"));
    for (role, refused) in [(Role::Viewer, 1), (Role::Member, 1), (Role::Admin, 0), (Role::Owner, 0), (Role::Service, 0)] {
        let caller = Caller { actor: UserId(Uuid::now_v7()), workspace, role };
        let mut lines = history(Uuid::now_v7());
        lines.truncate(1);
        lines[0]["input"]["key"] = json!(format!("K{}", role as u8));
        let stream = futures::stream::iter(lines.into_iter().map(|line| Ok(line.to_string().into_bytes())));
        let outcomes: Vec<_> = import(&core.application, caller, Refused::Again, stream).collect().await;
        let forbidden = |outcome: &LineOutcome| matches!(outcome, LineOutcome::Rejected(reject) if reject.code == "FORBIDDEN");
        assert_eq!(outcomes.iter().flatten().filter(|outcome| forbidden(outcome)).count(), refused, "{role:?}: {outcomes:?}");
    }
    assert_eq!(head(&database.pool().await).await, 3);
    core.close().await;
}

#[tokio::test]
async fn what_cannot_have_happened_is_refused_by_its_moment() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let tomorrow = (Utc::now() + TimeDelta::days(1)).to_rfc3339();
    let moments = ["0019-03-31T02:30:00Z", "1899-12-31T23:59:59Z", "3000-01-01T00:00:00Z", tomorrow.as_str()];
    let lines = moments.iter().map(|at| {
        let mut line = history(Uuid::now_v7()).remove(0);
        line["at"] = json!(at);
        line
    });
    let file = folder.file("history.ndjson", file_of(&lines.collect::<Vec<_>>()));
    let output = milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &database.url)]).await;
    assert_eq!(output.status, super::NO, "{}", output.stderr);
    let written = std::fs::read_to_string(format!("{file}.rejects.ndjson")).expect("there is a file of rejects");
    let rejects: Vec<Value> = written.lines().map(super::json).collect();
    assert_eq!(rejects.len(), moments.len());
    for reject in rejects {
        assert_eq!((&reject["code"], &reject["path"]), (&json!("INVALID_VALUE"), &json!(["at"])), "{reject}");
    }
    assert_eq!(head(&database.pool().await).await, 0);
}

#[tokio::test]
async fn lines_are_carried_out_whatever_their_actors_may() {
    let (database, folder) = (TestDatabase::new().await, Folder::new());
    let [project, ann, ben, cleo] = std::array::from_fn(|_| Uuid::now_v7());
    let by = |actor: Uuid, command: &str, mut input: Value| {
        input["id"] = json!(project);
        let mut line = line(command, input);
        line["actor"] = json!(actor);
        line
    };
    let lines = [
        by(ann, "projectCreate", json!({ "key": "OLD", "name": "Long ago" })),
        by(ben, "projectCollaboratorAdd", json!({ "userId": cleo, "role": "OWNER" })),
        by(ben, "projectCollaboratorRemove", json!({ "userId": ann })),
        by(ben, "projectDelete", json!({})),
    ];
    let file = folder.file("history.ndjson", file_of(&lines));
    done(milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &database.url)]).await);
    let told: Vec<_> = events(&database).await.into_iter().map(|(event, _, _, actor)| (event, actor)).collect();
    let names = ["project_created", "project_collaborator_added", "project_collaborator_removed", "project_deleted"];
    let expected: Vec<_> = names.map(str::to_owned).into_iter().zip([ann, ben, ben, ben]).collect();
    assert_eq!(told, expected);
}
