//! What makes an order, and what breaks it.

use super::*;
use serde_json::json;
use uuid::Uuid;

const TASK: Uuid = Uuid::from_u128(7);

/// The faults of records that are read one after the other: topic, partition and version of one task's events.
fn faults(records: &[(usize, i32, i64)]) -> Vec<Fault> {
    let mut catalogue = Catalogue::read("").expect("the built-in catalogue reads");
    let types = ["task_updated", "task_commented"];
    catalogue.topics.truncate(2);
    for (topic, event) in catalogue.topics.iter_mut().zip(types) {
        topic.events = vec![event.to_owned()];
    }
    let topics = catalogue.topics.iter().map(|topic| topic.name.clone()).collect();
    let mut reader = Reader { topics, ..Reader::default() };
    for (position, &(topic, partition, version)) in (1..).zip(records) {
        let value = json!({
            "position": format!("{position}"), "event_id": Uuid::from_u128(position), "event_type": types[topic],
            "aggregate_id": TASK, "aggregate_version": version,
            "workspace_id": Uuid::nil(),
        });
        let place = Place { topic, partition, offset: position as i64 };
        reader.read(place, TASK.to_string().as_bytes(), value.to_string().as_bytes(), &catalogue);
    }
    reader.report.faults
}

#[test]
fn each_topic_that_an_aggregate_is_parted_among_has_an_order_of_its_own() {
    assert_eq!(faults(&[(0, 0, 1), (0, 0, 3), (1, 2, 2), (1, 2, 4)]), []);
}

#[test]
fn versions_of_a_key_rise_along_a_partition() {
    let place = "project-events[1]@3".to_owned();
    let fault = Fault::OutOfOrder { place, key: TASK.to_string(), version: 2, after: 3 };
    assert_eq!(faults(&[(0, 1, 1), (0, 1, 3), (0, 1, 2)]), [fault]);
}

#[test]
fn a_key_on_two_partitions_of_a_topic_is_told_once() {
    let split = Fault::Split { place: "task-events[1]@2".to_owned(), key: TASK.to_string(), other: 0 };
    assert_eq!(faults(&[(1, 0, 3), (1, 1, 1), (1, 1, 2)]), [split]);
}
