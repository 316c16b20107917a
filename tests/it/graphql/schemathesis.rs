//! A tester that knows nothing but the schema and a token: Schemathesis, in its GraphQL mode.

use tests::app::TestApp;
use tests::python::python;
use tokio::process::Command;

/// Requests for each query and mutation; all of them together are more than five hundred.
const EACH: &str = "14";
const CASES_MIN: usize = 500;
/// What it holds every answer against.
const CHECKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/graphql/schemathesis_checks.py");
const SDL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/graphql/schema.graphql");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_only_the_schema_finds_no_fault() {
    let app = TestApp::start().await;
    // Lists have something to show.
    let project = app.client.project().await;
    app.client.task(&project, "Here").await;
    app.settled().await;
    let program = tokio::task::spawn_blocking(|| python().with_file_name("schemathesis")).await.expect("Python is prepared");
    let output = Command::new(program)
        .arg("run")
        .arg(format!("{}/graphql", app.client.base))
        .args(["--header", &format!("Authorization: Bearer {}", app.client.token)])
        .args(["--phases", "fuzzing", "--max-examples", EACH, "--checks", "answers_as_promised"])
        .envs([("SCHEMATHESIS_HOOKS", CHECKS), ("SDL", SDL)])
        // It keeps notes where it is started.
        .current_dir(std::env::temp_dir())
        .output()
        .await
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let cases = said.lines().find_map(|line| line.trim().split_once(" generated").and_then(|(cases, _)| cases.parse::<usize>().ok()));
    assert!(cases >= Some(CASES_MIN), "{said}");
    app.stop().await;
}
