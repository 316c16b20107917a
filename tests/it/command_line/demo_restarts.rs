//! `milepost dev`, ended in every way and started again.

use super::demo::Demo;
use super::{Folder, exists, head, started};
use nix::sys::signal::Signal;
use serde_json::json;
use tests::wait::until_true;

const ANY_PORT: [&str; 3] = ["--no-seed", "--listen", "127.0.0.1:0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_outlives_a_kill_and_ends_only_with_a_fresh_start() {
    let home = Folder::new();
    let folder = home.at("data");
    let demo = Demo::start(&folder, &ANY_PORT).await;
    assert_eq!(head(&demo.pool().await).await, 0, "nobody asked for demo data");
    let project = demo.client.project().await;
    let (token, database_url) = (demo.text("token").to_owned(), demo.text("database_url").to_owned());
    demo.process.kill().await;

    let mut second = Demo::start(&folder, &ANY_PORT).await;
    second.client.token = token;
    let query = "query($id: ID!) { project(id: $id, minPosition: \"1\") { id } }";
    let found = second.client.data(query, json!({ "id": project })).await;
    assert_eq!(found["project"]["id"], json!(project), "an acknowledged project is gone, or a token of before is refused");
    assert_eq!(password(&database_url), password(second.text("database_url")));
    second.process.kill().await;

    let third = Demo::start(&folder, &[&["--fresh"], &ANY_PORT[..]].concat()).await;
    assert_eq!(head(&third.pool().await).await, 0, "nothing of before is there");
    assert_ne!(password(&database_url), password(third.text("database_url")));
    third.stop(&folder, Signal::SIGTERM).await;
}

fn password(url: &str) -> &str {
    url.split('@').next().expect("a URL with a password")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_can_be_stopped_while_it_starts() {
    let home = Folder::new();
    let folder = home.at("data");
    let mut process = started(&[&["dev", "--data-dir", &folder], &ANY_PORT[..]].concat(), &[]);
    until_true("it has begun to make data", || exists(&format!("{folder}/postgres.new"))).await;
    process.signal(Signal::SIGINT);
    assert_eq!(process.ended().await, 0, "{}", process.log());
    super::assert_calm(&process.log());
    let demo = Demo::start(&folder, &ANY_PORT).await;
    demo.stop(&folder, Signal::SIGINT).await;
}
