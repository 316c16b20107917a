//! What a record says, and where it goes.

use super::{GOES_ON, MILEPOST, Scene};
use chrono::Utc;
use serde_json::{Value, json};
use tests::app::Client;
use tests::kafka::Record;
use tests::process::{Run, run};
use tests::wait::until;
use uuid::Uuid;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The hash of Java's default partitioner: murmur2 with its seed.
fn murmur2(key: &[u8]) -> i32 {
    const MIX: u32 = 0x5bd1_e995;
    let mixed = |word: u32| {
        let word = word.wrapping_mul(MIX);
        (word ^ (word >> 24)).wrapping_mul(MIX)
    };
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_mul(MIX) ^ mixed(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| (last << 8) | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    (hash ^ (hash >> 15)) as i32
}

#[test]
fn the_hash_is_that_of_java() {
    // From the tests of Kafka's own `Utils.murmur2`.
    let known = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    for (key, hash) in known {
        assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_lies_where_java_would_look_for_its_key() {
    let scene = Scene::new(40).await;
    let node = scene.node("");
    scene.relayed().await;
    let records = scene.assert_exactly_once().await;
    let mut used = std::collections::BTreeSet::new();
    for Record { topic, partition, key, value, .. } in &records {
        let topic_of = scene.topics.catalogue.topic_of(value["event_type"].as_str().expect("a type")).expect("every event has a topic");
        assert_eq!(*topic, scene.topics.catalogue.full_name(&topic_of.name));
        assert_eq!(*partition, (murmur2(key.as_bytes()) & 0x7fff_ffff) % topic_of.partitions, "{key}");
        assert_eq!(value["aggregate_id"], json!(key));
        used.insert(*partition);
    }
    assert_eq!(used.len(), 3, "keys are spread");
    node.kill().await;
}

/// One record of a type, once it is there.
async fn record(scene: &Scene, event_type: &str) -> Record {
    let found = || async { scene.topics.records().await.into_iter().find(|record| record.value["event_type"] == event_type) };
    until("the record comes", found).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imported_history_keeps_its_own_time_and_the_record_bears_that_of_sending() {
    let begun = Utc::now().timestamp_millis();
    let scene = Scene::new(0).await;
    let mut node = scene.node("");
    node.said(GOES_ON).await;
    let (workspace, actor, project, task) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let command_id = Uuid::now_v7();
    let line = |command: &str, id: Uuid, at: &str, input: Value| {
        json!({ "command": command, "commandId": id, "actor": actor, "at": at, "input": input }).to_string() + "\n"
    };
    let lines = line("projectCreate", Uuid::now_v7(), "1999-12-31T23:59:59.5Z", json!({ "id": project, "key": "OLD", "name": "Old" }))
        + &line(
            "taskCreate",
            command_id,
            "2001-02-03T04:05:06.789Z",
            json!({ "id": task, "projectId": project, "title": "Remember – 记住", "due": { "date": "2031-03-31" } }),
        );
    let mut import = Run::of(&["import", "-", "--workspace", &workspace.to_string(), "--rejects", "/dev/stderr"]);
    import.environment = scene.environment();
    let imported = run(MILEPOST, import, Some(&lines)).await;
    assert_eq!(imported.status, 0, "{}{}", imported.stdout, imported.stderr);

    let Record { key, headers, timestamp_ms, value, .. } = record(&scene, "task_created").await;
    assert!((begun..=Utc::now().timestamp_millis()).contains(&timestamp_ms), "a record bears the time of sending: {timestamp_ms}");
    let (event_id, position, recorded_at) = (value["event_id"].clone(), value["position"].clone(), value["recorded_at"].clone());
    let expected = json!({
        "event_id": event_id, "event_type": "task_created", "event_version": 1,
        "occurred_at": "2001-02-03T04:05:06.789Z", "recorded_at": recorded_at, "timestamp": "2001-02-03T04:05:06.789Z",
        "source": "milepost", "aggregate_type": "task", "aggregate_id": task, "aggregate_version": 1, "position": position,
        "workspace_id": workspace, "actor": actor, "command_id": command_id, "correlation_id": value["correlation_id"], "causation_id": null,
        "traceparent": null,
        "data": {
            "task_id": task, "project_id": project, "key": "OLD-1", "number": 1, "title": "Remember – 记住", "description": "",
            "status": "todo", "priority": "medium", "category": null, "tags": [], "assignee_ids": [],
            "due": { "at": "2031-04-01T00:00:00.000Z", "date": "2031-03-31", "time_zone": "UTC" },
            "estimate_minutes": null, "created_at": "2001-02-03T04:05:06.789Z",
        },
    });
    assert_eq!(value, expected);
    let place: i64 = position.as_str().and_then(|position| position.parse().ok()).expect("a position");
    let expected = [
        ("ce_id", event_id.as_str().expect("an id")),
        ("ce_sequence", &format!("{place:020}")),
        ("ce_source", "milepost"),
        ("ce_specversion", "1.0"),
        ("ce_subject", &task.to_string()),
        ("ce_time", "2001-02-03T04:05:06.789Z"),
        ("ce_type", "task_created"),
        ("content-type", "application/json"),
    ];
    assert_eq!(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(key, task.to_string());
    // What follows from an event names it.
    let schedule = record(&scene, "schedule_created").await;
    assert_eq!(schedule.value["causation_id"], event_id);
    assert_ne!(schedule.value["command_id"], json!(command_id), "it is another command's");
    assert_eq!(schedule.value["correlation_id"], value["correlation_id"]);
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_from_the_request_to_the_record() {
    let scene = Scene::new(0).await;
    let mut node = scene.node("");
    let client = Client::new(&node.address().await, Uuid::now_v7(), Uuid::now_v7(), application::caller::Role::Owner);
    let project = client.project().await;
    let mutation = json!({
        "query": "mutation($i: TaskCreateInput!) { taskCreate(input: $i) { position } }",
        "variables": { "i": { "projectId": project, "title": "Traced" } },
    });
    let (status, answer) = client.raw(mutation.to_string(), &[("traceparent", TRACE)]).await;
    assert_eq!((status, &answer["errors"]), (200, &Value::Null), "{answer}");
    let record = record(&scene, "task_created").await;
    assert_eq!(record.headers.get("traceparent").map(String::as_str), Some(TRACE));
    assert_eq!(record.value["traceparent"], json!(TRACE));
    node.kill().await;
}
