//! The audits of npm's graphql-http, run by Node against a served endpoint.

use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::app::TestApp;
use tests::servers;

/// How many audits the pinned version of graphql-http has.
const AUDITS: usize = 61;

const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("http_audits/package.json")),
    ("package-lock.json", include_str!("http_audits/package-lock.json")),
    ("audit.mjs", include_str!("http_audits/audit.mjs")),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_audits_of_graphql_http_pass() {
    let installed = tokio::task::spawn_blocking(installed);
    let app = TestApp::start().await;
    let (folder, url, token) =
        (installed.await.expect("installing ends"), format!("{}/graphql", app.client.base), app.client.token.clone());
    let run = move || Command::new("node").arg("audit.mjs").current_dir(folder).env("URL", url).env("TOKEN", token).output();
    let output = tokio::task::spawn_blocking(run).await.expect("it ends").expect("node runs");
    assert!(output.status.success(), "the audits could not be run: {}", String::from_utf8_lossy(&output.stderr));

    let results: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("every audit is a line of JSON"))
        .collect();
    let failed: Vec<&Value> = results.iter().filter(|result| result["status"] != "ok").collect();
    assert!(failed.is_empty(), "{} of {} audits fail:\n{failed:#?}", failed.len(), results.len());
    assert_eq!(results.len(), AUDITS, "graphql-http has another number of audits");
    app.stop().await;
}

/// The folder with the audits, below the target folder. They are fetched once for each lock file, whoever comes first.
fn installed() -> PathBuf {
    let folder = servers::target().join("http-audits");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let lock = File::create(folder.join("lock")).expect("the target folder can be written");
    lock.lock().expect("files can be locked");
    let fetched = folder.join("fetched");
    let wanted: String = FILES.iter().map(|(_, text)| *text).collect();
    if fs::read_to_string(&fetched).is_ok_and(|there| there == wanted) {
        return folder;
    }
    let _ = fs::remove_file(&fetched);
    for (name, text) in FILES {
        fs::write(folder.join(name), text).expect("the target folder can be written");
    }
    npm_ci(&folder);
    fs::write(&fetched, wanted).expect("the target folder can be written");
    folder
}

fn npm_ci(folder: &Path) {
    let output = Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder).output();
    let output = output.expect("npm, which comes with Node, is on the machine");
    assert!(output.status.success(), "npm ci failed in {}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
}
