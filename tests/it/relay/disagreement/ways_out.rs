//! What an admin can say, and what each command says back.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_relay_is_sent_back_to_the_start_and_sends_everything_again() {
    let scene = Scene::new(3).await;
    let mut node = scene.node("");
    node.said(GOES_ON).await;
    scene.relayed().await;
    let resumed = scene.milepost(&["relay", "resume", "--from-start"]).await;
    assert_eq!(resumed.status, 0, "{}", text(&resumed));
    assert!(resumed.stdout.contains("4 of them are sent again, up to position 4"), "{}", resumed.stdout);
    until("everything is there twice", || async { (scene.topics.positions().await == [1, 1, 2, 2, 3, 3, 4, 4]).then_some(()) }).await;
    // It goes on from there, and so does the next one.
    scene.write(10, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    node.kill().await;
    scene.end_leases().await;
    let mut next = scene.node("");
    next.said(GOES_ON).await;
    scene.write(10, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    let positions = scene.topics.positions().await;
    assert_eq!(positions[8..], (5..=24).collect::<Vec<_>>());
    assert!(!next.log().contains(REFUSES), "{}", next.log());
    next.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_that_was_asked_for_is_not_taken_for_a_lost_record() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    // The second word does not forget what the first one repeats.
    for from in ["1", "2"] {
        let resumed = scene.milepost(&["relay", "resume", "--from", from]).await;
        assert_eq!(resumed.status, 0, "{}", text(&resumed));
    }
    let status = scene.milepost(&["relay", "status"]).await;
    assert!(status.status == 0 && status.stdout.contains("continues after position 2"), "{}", text(&status));
    let mut node = scene.node("");
    node.said(GOES_ON).await;
    until("the others are there twice", || async { (scene.topics.positions().await == [1, 2, 3, 3, 4, 4]).then_some(()) }).await;
    node.kill().await;
    // It is over: from here on a record of less is refused again.
    let forger = Forger::new(&scene).await;
    forger.position(&scene, 3).await;
    let note = sqlx::query("UPDATE milepost.checkpoints SET position = 3 WHERE name = 'relay'");
    note.execute(&scene.sql().await).await.expect("the note is changed");
    let status = scene.milepost(&["relay", "status"]).await;
    assert!(status.status == 1 && status.stderr.contains("consumers see the event at position 4"), "{}", text(&status));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_left_out_only_by_name_and_never_beyond_the_log() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    scene.write(6, &AtomicUsize::new(0)).await;
    let beyond = scene.milepost(&["relay", "resume", "--from", "11"]).await;
    assert_eq!(beyond.status, 2, "{}", text(&beyond));
    assert!(beyond.stderr.contains("--from is 11, and the log ends at position 10; give 0 to 10"), "{}", beyond.stderr);
    for wrong in [&["relay", "resume"][..], &["relay", "resume", "--from", "-1"], &["relay", "resume", "--from", "1", "--from-start"]] {
        assert_eq!(scene.milepost(wrong).await.status, 2, "{wrong:?}");
    }
    let resumed = scene.milepost(&["relay", "resume", "--from", "7", "--json"]).await;
    assert_eq!(resumed.status, 0, "{}", text(&resumed));
    let resumed: Value = serde_json::from_str(&resumed.stdout).expect("JSON");
    let expected = json!({ "position": "7", "head": "10", "toSend": 3, "sentBefore": "4", "again": 0, "leftOut": 3 });
    assert_eq!(resumed, expected);
    let node = scene.node("");
    scene.relayed().await;
    assert_eq!(scene.topics.positions().await, [1, 2, 3, 4, 8, 9, 10]);
    let verdict = scene.milepost(&["verify", "kafka"]).await;
    assert!(verdict.status == 1 && verdict.stdout.contains("position 5 (task_commented) is on no topic"), "{}", text(&verdict));
    node.kill().await;
}

/// What an admin's command to resume says of what consumers have seen.
async fn resumed(scene: &Scene, database: &TestDatabase, position: i64) -> (Value, Value, Value) {
    let output = scene.milepost_on(database, &["relay", "resume", "--from", &position.to_string(), "--json"]).await;
    assert_eq!(output.status, 0, "{}", text(&output));
    let mut said: Value = serde_json::from_str(&output.stdout).expect("JSON");
    (said["sentBefore"].take(), said["again"].take(), said["leftOut"].take())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_consumers_see_is_told_though_record_and_checkpoint_are_lost() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    sqlx::query("DELETE FROM milepost.checkpoints").execute(&scene.sql().await).await.expect("checkpoints are lost");
    scene.delete_relay_topic().await;
    assert_eq!(scene.milepost(&["topics", "apply"]).await.status, 0);
    let status = scene.milepost(&["relay", "status"]).await;
    assert!(status.status == 1 && status.stderr.contains("holds events of a relay"), "{}", text(&status));
    assert_eq!(resumed(&scene, &scene.database, 0).await, (json!("4"), json!(4), json!(0)));
    // A second word, before anything was sent again, says the same of it.
    assert_eq!(resumed(&scene, &scene.database, 3).await, (json!("4"), json!(1), json!(0)));
    let node = scene.node("");
    until("one is there twice", || async { (scene.topics.positions().await == [1, 2, 3, 4, 4]).then_some(()) }).await;
    node.kill().await;
}

/// The newest events on the topics are none of the restored log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_consumers_see_is_told_to_a_log_restored_to_before_its_first_relay() {
    let scene = Scene::new(3).await;
    let older = TestDatabase::copy_of(&scene.database).await;
    scene.write(300, &AtomicUsize::new(0)).await;
    scene.sent().await;
    scene.delete_relay_topic().await;
    assert_eq!(scene.milepost(&["topics", "apply"]).await.status, 0);
    assert_eq!(resumed(&scene, &older, 1).await, (json!("4"), json!(3), json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_adopted_where_the_relay_does_not_refuse() {
    let scene = Scene::new(2).await;
    scene.sent().await;
    let adopted = scene.milepost(&["relay", "adopt"]).await;
    assert_eq!(adopted.status, 0, "{}", text(&adopted));
    assert!(adopted.stdout.contains("continues after position 3, and there is nothing to adopt"), "{}", adopted.stdout);
    let status = scene.milepost(&["relay", "status"]).await;
    assert_eq!(status.status, 0, "{}", text(&status));
    assert!(status.stdout.contains("lag        0 events: the relay continues after position 3"), "{}", status.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_with_a_hole_prove_nothing_and_the_hole_is_named() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    scene.delete_relay_topic().await;
    // The topic of projects goes too, and with it the first event of all.
    let topic = scene.topics.catalogue.full_name("project-events");
    scene.admin().delete_topics(&[&topic], &AdminOptions::new()).await.expect("Kafka answers").remove(0).expect("it is deleted");
    let mut node = scene.node("");
    let words = format!("everything up to position {} was sent", scene.head());
    assert_refuses(&scene, &scene.database, &mut node, "record_lost", &words).await;
    let adopted = scene.milepost(&["relay", "adopt"]).await;
    assert_eq!(adopted.status, 1, "{}", text(&adopted));
    for part in ["1 events are on no topic, the first at position 1, though position 4 is there", "`milepost relay resume --from 0`"] {
        assert!(adopted.stderr.contains(part), "{part}: {}", adopted.stderr);
    }
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_of_two_logs_are_not_adopted() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    let other = Scene::made(scene.topics.clone(), TestDatabase::new().await, 3).await;
    other.write(1, &AtomicUsize::new(0)).await;
    assert_eq!(other.milepost(&["relay", "resume", "--from-start"]).await.status, 0);
    other.sent().await;
    other.delete_relay_topic().await;
    let adopted = other.milepost(&["topics", "apply"]).await;
    assert_eq!(adopted.status, 0, "{}", text(&adopted));
    let adopted = other.milepost(&["relay", "adopt"]).await;
    assert_eq!(adopted.status, 1, "{}", text(&adopted));
    assert!(adopted.stderr.contains("another log was sent to these topics too"), "{}", adopted.stderr);
}

/// As if the record of the last transaction had never become visible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_prove_more_than_the_record_are_adopted_and_a_running_relay_is_left_as_it_is() {
    let scene = Scene::new(3).await;
    scene.sent().await;
    sqlx::query("DELETE FROM milepost.checkpoints").execute(&scene.sql().await).await.expect("nothing is confirmed");
    Forger::new(&scene).await.position(&scene, 2).await;
    let adopted = scene.milepost(&["relay", "adopt", "--json"]).await;
    assert_eq!(adopted.status, 0, "{}", text(&adopted));
    let adopted: Value = serde_json::from_str(&adopted.stdout).expect("JSON");
    assert_eq!((&adopted["position"], &adopted["adopted"]), (&json!("4"), &json!(true)), "{adopted}");
    let mut node = scene.node("");
    node.said(GOES_ON).await;
    scene.write(10, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    let adopted = scene.milepost(&["relay", "adopt", "--json"]).await;
    assert_eq!(adopted.status, 0, "{}", text(&adopted));
    let adopted: Value = serde_json::from_str(&adopted.stdout).expect("JSON");
    assert_eq!((&adopted["position"], &adopted["adopted"]), (&json!("14"), &json!(false)), "{adopted}");
    scene.write(10, &AtomicUsize::new(0)).await;
    scene.relayed().await;
    scene.assert_exactly_once().await;
    node.kill().await;
}
