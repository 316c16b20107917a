//! Who may do what, found out by really asking: `schemas/access.txt` says what came of it.
//!
//! `MILEPOST_WRITE_ACCESS=1 cargo test -p tests --test it graphql::access` writes the file.

use super::commands::{SampleCommand, sample};
use super::{send, served_mutations};
use application::caller::Role;
use clap::CommandFactory;
use serde_json::{Value, json};
use server::cli::Cli;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tests::app::{Client, TestApp, input_type};
use tests::process::{Run, run};
use tests::wait::until;
use uuid::Uuid;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/access.txt");
const PROGRAM: &str = env!("CARGO_BIN_EXE_milepost-under-test");

/// Who asks, by the headings of the file.
const CALLERS: [(&str, Who); 11] = [
    ("anonymous", Who::Nobody),
    ("elsewhere", Who::Elsewhere),
    ("viewer", Who::Workspace(Role::Viewer)),
    ("member", Who::Workspace(Role::Member)),
    ("p-viewer", Who::Project("VIEWER")),
    ("p-editor", Who::Project("EDITOR")),
    ("p-manager", Who::Project("MANAGER")),
    ("p-owner", Who::Project("OWNER")),
    ("admin", Who::Workspace(Role::Admin)),
    ("owner", Who::Workspace(Role::Owner)),
    ("service", Who::Workspace(Role::Service)),
];

#[derive(Debug, Clone, Copy)]
enum Who {
    /// Without a token.
    Nobody,
    /// The owner of another workspace.
    Elsewhere,
    /// Somebody with a role in the workspace and none in the project.
    Workspace(Role),
    /// A member of the workspace with a role in the project.
    Project(&'static str),
}

impl Who {
    fn client(self, app: &TestApp) -> Client {
        match self {
            Self::Nobody => {
                let mut nobody = app.client.clone();
                nobody.token.clear();
                nobody
            }
            Self::Elsewhere => app.client.elsewhere(),
            Self::Workspace(role) => app.client.with_role(role),
            Self::Project(_) => app.client.with_role(Role::Member),
        }
    }
}

/// What came of it: done, refused, or answered as if nothing were there.
fn outcome(answer: &Value, what: &str) -> &'static str {
    let payload = &answer["data"]["r"];
    match answer["errors"][0]["extensions"]["code"].as_str() {
        Some("UNAUTHENTICATED" | "FORBIDDEN") => "refused",
        Some("NOT_FOUND") => "hidden",
        Some(code) => panic!("{what}: {code} {answer}"),
        None if payload.is_null() || payload["nodes"] == json!([]) => "hidden",
        None => {
            let errors = payload["userErrors"].as_array().map_or(0, Vec::len);
            assert_eq!(errors, 0, "{what}: {answer}");
            "allowed"
        }
    }
}

/// Gives a user a role in every project of a command, also if it is archived.
async fn let_in(owner: &Client, sample: &SampleCommand, user: Uuid, role: &str) {
    let rests = sample.name == "projectUnarchive";
    let only_id = json!({ "id": sample.project });
    if rests {
        owner.must("projectUnarchive", "id", only_id.clone()).await;
    }
    let projects = [Some(sample.project.as_str()), sample.input["projectId"].as_str()];
    for project in projects.into_iter().flatten().collect::<BTreeSet<_>>() {
        owner.must("projectCollaboratorAdd", "id", json!({ "id": project, "userId": user, "role": role })).await;
    }
    if rests {
        owner.must("projectArchive", "id", only_id).await;
    }
}

/// Whose what a mutation is about is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum About {
    Others,
    /// A task that is assigned to the caller, or its part in a project.
    Own,
    /// A schedule that is in no project.
    Milestone,
    /// Somebody who owns the project, or is to own it.
    Owner,
}

impl About {
    /// What a mutation can be about, and the words for it.
    fn all(mutation: &str) -> Vec<(Self, &'static str)> {
        let mut all = vec![(Self::Others, "")];
        if mutation == "projectCollaboratorRemove" || (mutation.starts_with("task") && mutation != "taskCreate") {
            all.push((Self::Own, ", own"));
        }
        if mutation.starts_with("schedule") {
            all.push((Self::Milestone, ", milestone"));
        }
        if mutation.starts_with("projectCollaborator") {
            all.push((Self::Owner, ", owner"));
        }
        all
    }
}

/// Makes the object of a command a milestone.
async fn make_milestone(owner: &Client, sample: &mut SampleCommand) {
    if sample.name == "scheduleCreate" {
        sample.input.as_object_mut().expect("fields").remove("projectId");
    } else {
        let milestone = json!({ "title": "Release", "due": { "at": "2100-01-01T00:00:00Z" } });
        sample.input["id"] = owner.must("scheduleCreate", "id", milestone).await["schedule"]["id"].clone();
    }
}

/// Makes a user the owner of the object of a command.
async fn make_own(owner: &Client, sample: &mut SampleCommand, user: Uuid, who: Who) {
    if let Some(task) = &sample.task {
        let done = sample.name == "taskReopen";
        if done {
            owner.must("taskReopen", "id", json!({ "id": task })).await;
        }
        owner.must("taskAssign", "id", json!({ "id": task, "userId": user })).await;
        if done {
            owner.must("taskComplete", "id", json!({ "id": task })).await;
        }
    } else if !matches!(who, Who::Project(_) | Who::Nobody) {
        let_in(owner, sample, user, "VIEWER").await;
    }
    if ["taskUnassign", "projectCollaboratorRemove"].contains(&sample.name.as_str()) {
        sample.input["userId"] = json!(user);
    }
}

async fn mutation(app: &TestApp, name: &str, who: Who, about: About) -> &'static str {
    let mut sample = sample(&app.client, name).await;
    let client = who.client(app);
    if let (Who::Project(role), false) = (who, name == "projectCreate") {
        let_in(&app.client, &sample, client.caller.actor.0, role).await;
    }
    match about {
        About::Others => {}
        About::Own => make_own(&app.client, &mut sample, client.caller.actor.0, who).await,
        About::Milestone => make_milestone(&app.client, &mut sample).await,
        About::Owner if name == "projectCollaboratorRemove" => {
            let owner = json!({ "id": sample.project, "userId": sample.input["userId"], "role": "OWNER" });
            app.client.must("projectCollaboratorChangeRole", "id", owner).await;
        }
        About::Owner => sample.input["role"] = json!("OWNER"),
    }
    let query = format!("mutation($i: {}!) {{ r: {name}(input: $i) {{ version userErrors {{ code message }} }} }}", input_type(name));
    outcome(&client.ask(&query, json!({ "i": sample.input })).await, &format!("{name} by {who:?}, {about:?}"))
}

/// One of everything, to be asked for.
async fn things(app: &TestApp) -> Value {
    let project = app.client.project().await;
    let due = json!({ "at": "2001-01-01T00:00:00Z" });
    let task =
        app.client.must("taskCreate", "id", json!({ "projectId": project, "title": "Here", "due": due })).await["task"]["id"].clone();
    let schedule = until("the due date has fired", || async {
        let seen = app.client.data("query($t: ID!) { task(id: $t) { schedule { id firings { id } } } }", json!({ "t": task })).await;
        seen["task"]["schedule"]["firings"][0].is_object().then(|| seen["task"]["schedule"]["id"].clone())
    })
    .await;
    app.settled().await;
    json!({ "project": project, "task": task, "schedule": schedule })
}

/// How each query is asked, about those things. A query that is not known here fails the test.
fn question(name: &str) -> &'static str {
    match name {
        "viewer" => "query { r: viewer { role } }",
        "serviceStatus" => "query { r: serviceStatus { position } }",
        "node" => "query($task: ID!) { r: node(id: $task) { id } }",
        "project" => "query($project: ID!) { r: project(id: $project) { id } }",
        "projects" => "query { r: projects { nodes { id } } }",
        "task" => "query($task: ID!) { r: task(id: $task) { id } }",
        "tasks" => "query { r: tasks { nodes { id } } }",
        "schedule" => "query($schedule: ID!) { r: schedule(id: $schedule) { id } }",
        "schedules" => "query { r: schedules(filter: { state: [PENDING, APPROACHING, OVERDUE] }) { nodes { id } } }",
        "deadlines" => "query { r: deadlines { nodes { id } } }",
        "history" => "query($task: ID!) { r: history(subjectId: $task) { nodes { id } } }",
        "events" => "query { r: events { nodes { id } } }",
        other => panic!("the query {other} is not asked here yet: add it"),
    }
}

async fn served_queries(client: &Client) -> Vec<String> {
    let schema = client.data("{ __schema { queryType { fields { name } } } }", json!({})).await;
    let fields = schema["__schema"]["queryType"]["fields"].as_array().expect("there are queries").clone();
    fields.iter().map(|field| field["name"].as_str().expect("a name").to_owned()).collect()
}

/// What a page or door answers.
async fn route(app: &TestApp, (method, path, body): (&str, &str, &'static str), who: Who) -> &'static str {
    let bearer = format!("Bearer {}", who.client(app).token);
    let signed: [(&str, &[u8]); 2] = [("content-type", b"application/json"), ("authorization", bearer.as_bytes())];
    let headers = if matches!(who, Who::Nobody) { &signed[..1] } else { &signed[..] };
    match send(&app.client.base, method.parse().expect("a method"), path, headers, body).await.status {
        200 | 307 | 308 => "allowed",
        401 | 403 => "refused",
        404 => "hidden",
        status => panic!("{method} {path} by {who:?}: {status}"),
    }
}

/// Everything that the router knows, as method, path and body.
const ROUTES: [(&str, &str, &str); 11] = [
    ("GET", "/", ""),
    ("GET", "/graphiql", ""),
    ("GET", "/graphiql/", ""),
    ("GET", "/graphiql/graphiql.js", ""),
    ("GET", "/graphiql/graphiql.css", ""),
    ("GET", "/graphiql/LICENSES.txt", ""),
    ("GET", "/graphql?query={__typename}", ""),
    ("POST", "/graphql", r#"{"query":"{__typename}"}"#),
    ("GET", "/livez", ""),
    ("GET", "/metrics", ""),
    ("GET", "/readyz", ""),
];

#[test]
fn every_route_has_its_line() {
    let sources = [include_str!("../../../api/src/http/router.rs"), include_str!("../../../api/src/http/graphiql.rs")];
    let routed = sources.iter().flat_map(|source| source.split(".route(\"").skip(1)).filter_map(|rest| rest.split('"').next());
    let listed = ROUTES.iter().filter_map(|(_, path, _)| path.split('?').next());
    assert_eq!(routed.collect::<BTreeSet<_>>(), listed.collect::<BTreeSet<_>>());
}

/// Commands of the binary that act on an installation. They ask for the database or the key of tokens, and for no role.
const COMMANDS: [&[&str]; 25] = [
    &["dead-letters", "list"],
    &["dead-letters", "retry", "--source", "reactions", "7"],
    &["dead-letters", "show", "--source", "reactions", "7"],
    &["dead-letters", "skip", "--source", "reactions", "7", "--reason", "none"],
    &["events", "tail"],
    &["import", "/dev/null", "--workspace", "01a1fe05-3b13-7003-bb0e-6d493934740b"],
    &["migrate"],
    &["projections", "cancel", "task_list"],
    &["projections", "dead-letters", "list"],
    &["projections", "dead-letters", "retry", "task_list", "01a1fe05-3b13-7003-bb0e-6d493934740b"],
    &["projections", "dead-letters", "skip", "task_list", "01a1fe05-3b13-7003-bb0e-6d493934740b", "--reason", "none"],
    &["projections", "drop-old", "task_list"],
    &["projections", "list"],
    &["projections", "rebuild", "task_list"],
    &["projections", "rollback", "task_list"],
    &["projections", "verify"],
    &["relay", "adopt"],
    &["relay", "resume", "--from-start"],
    &["relay", "status"],
    &["serve", "--listen", "127.0.0.1:0"],
    &["token", "--actor", "01a1fe05-3b13-7003-bb0e-6d493934740b", "--workspace", "01a1fe05-3b13-7003-bb0e-6d493934740b", "--role", "owner"],
    &["topics", "apply"],
    &["topics", "diff"],
    &["topics", "list"],
    &["verify", "kafka"],
];

/// Those that need nothing which somebody else has. `dev` makes an installation of its own; what it starts with is in
/// `command_line/demo.rs`.
const OF_ONES_OWN: [&str; 3] = ["config check", "config show", "dev"];

/// Every command that does something, by its words.
fn commands(command: &clap::Command, before: &str) -> BTreeSet<String> {
    let below =
        command.get_subcommands().flat_map(|below| commands(below, &format!("{before} {}", below.get_name()))).collect::<BTreeSet<_>>();
    if below.is_empty() { BTreeSet::from([before.trim().to_owned()]) } else { below }
}

#[test]
fn every_command_has_its_line() {
    let listed: BTreeSet<_> = COMMANDS.iter().map(|arguments| words(arguments)).chain(OF_ONES_OWN.map(str::to_owned)).collect();
    assert_eq!(commands(&Cli::command(), ""), listed);
}

/// The words that name a command, without what it is given.
fn words(arguments: &[&str]) -> String {
    let word =
        |word: &&&str| word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    arguments.iter().take_while(word).copied().collect::<Vec<_>>().join(" ")
}

/// What a command asks for when it is given nothing.
async fn asked_for(arguments: &[&str]) -> &'static str {
    let out = run(PROGRAM, Run::of(arguments), None).await;
    assert_eq!(out.status, 2, "{arguments:?}: {}{}", out.stdout, out.stderr);
    let settings = ["DATABASE_URL", "MILEPOST_AUTH_HS256_SECRET", "KAFKA_BOOTSTRAP_SERVERS"];
    let found = settings.into_iter().find(|setting| out.stderr.contains(setting));
    found.unwrap_or_else(|| panic!("{arguments:?} names no setting: {}", out.stderr))
}

fn line(text: &mut String, name: &str, outcomes: &[&str]) {
    let cells: String = outcomes.iter().map(|outcome| format!(" {outcome:<10}")).collect();
    writeln!(text, "{name:<48}{}", cells.trim_end()).expect("a text can be written to");
}

async fn table(app: &TestApp) -> String {
    let mut text = String::from(
        "# Who may do what, found out by calling each: allowed, refused, or hidden (answered as if nothing were there).\n\
         # elsewhere: the owner of another workspace. p-: a member of the workspace with that role in the project.\n\
         # own: about a task that is assigned to the caller, or its own part in the project; else about what is others'.\n\
         # milestone: about a schedule that is in no project. owner: about who owns the project, or is to own it.\n\n",
    );
    line(&mut text, "", &CALLERS.map(|(heading, _)| heading));
    for name in served_mutations(&app.client).await {
        for (about, words) in About::all(&name) {
            let mut outcomes = vec![];
            for (_, who) in CALLERS {
                outcomes.push(mutation(app, &name, who, about).await);
            }
            line(&mut text, &format!("mutation {name}{words}"), &outcomes);
        }
    }
    let things = things(app).await;
    for name in served_queries(&app.client).await {
        let mut outcomes = vec![];
        for (_, who) in CALLERS {
            let answer = who.client(app).ask(question(&name), things.clone()).await;
            outcomes.push(outcome(&answer, &format!("{name} by {who:?}")));
        }
        line(&mut text, &format!("query {name}"), &outcomes);
    }
    for ask in ROUTES {
        let mut outcomes = vec![];
        for (_, who) in CALLERS {
            outcomes.push(route(app, ask, who).await);
        }
        line(&mut text, &format!("{} {}", ask.0, ask.1), &outcomes);
    }
    text.push_str("\n# Commands of the binary ask for no role: whoever has these settings runs them.\n\n");
    for arguments in COMMANDS {
        line(&mut text, &format!("milepost {}", words(arguments)), &[asked_for(arguments).await]);
    }
    for command in OF_ONES_OWN {
        if command != "dev" {
            let out = run(PROGRAM, Run::of(&command.split(' ').collect::<Vec<_>>()), None).await;
            assert_eq!(out.status, 0, "{command}: {}{}", out.stdout, out.stderr);
        }
        line(&mut text, &format!("milepost {command}"), &["nothing"]);
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_do_what_is_as_the_file_says() {
    let app = TestApp::start().await;
    let found = table(&app).await;
    if std::env::var_os("MILEPOST_WRITE_ACCESS").is_some() {
        std::fs::write(FILE, &found).expect("the file can be written");
    }
    let said = std::fs::read_to_string(FILE).unwrap_or_default();
    for (found, said) in found.lines().zip(said.lines()) {
        assert_eq!(found, said, "schemas/access.txt says something else; the head of this test says how to write it");
    }
    assert_eq!(found.lines().count(), said.lines().count(), "schemas/access.txt has other lines");
    app.stop().await;
}
