//! Which catalogues can be used.

use super::*;

fn with(from: &str, to: &str) -> Result<Catalogue, CatalogueError> {
    assert!(DEFAULT.contains(from), "nothing to change");
    Catalogue::parse(&DEFAULT.replacen(from, to, 1))
}

fn refused(from: &str, to: &str) -> String {
    with(from, to).expect_err("it cannot be used").to_string()
}

#[test]
fn the_built_in_catalogue_has_a_topic_for_every_event() {
    let catalogue = Catalogue::read("").expect("it reads");
    for kind in AggregateType::ALL {
        for event in kind.event_names() {
            assert_eq!(
                catalogue.topic_of(event).map(|topic| topic.name.as_str()),
                Some(format!("{}-events", kind.word()).as_str()),
                "{event}"
            );
        }
    }
    assert_eq!(catalogue.topic_of("sprint_started"), None);
    assert_eq!(catalogue.relay_topic(), "milepost.relay");
}

#[test]
fn a_prefix_stands_before_every_name() {
    let catalogue = with("prefix = \"\"", "prefix = \"north.\"").expect("it can be used");
    assert_eq!(catalogue.full_name("task-events"), "north.task-events");
    assert_eq!(catalogue.relay_topic(), "north.milepost.relay");
}

#[test]
fn replication_is_left_to_the_brokers_unless_it_is_given() {
    let catalogue = with("partitions = 3", "partitions = 3\nreplication = 2").expect("it can be used");
    assert_eq!(catalogue.topics.iter().map(|topic| topic.replication).collect::<Vec<_>>(), [2, -1, -1]);
    assert_eq!(catalogue.relay.replication, -1);
}

#[test]
fn a_topic_needs_a_name_that_brokers_take() {
    for name in ["", "task events", "tâches", "a/b", &"x".repeat(250)] {
        assert!(refused("task-events", name).contains("1 to 249 letters"), "{name:?}");
    }
    for name in ["t", "Task_events.v2", &"x".repeat(249)] {
        assert!(with("task-events", name).is_ok(), "{name:?}");
    }
}

#[test]
fn the_topic_of_the_relay_has_a_name_of_its_own_that_brokers_take() {
    assert!(refused("name = \"milepost.relay\"", "name = \"task-events\"").contains("two topics have this name"));
    assert!(refused("name = \"milepost.relay\"", "name = \"the relay\"").contains("1 to 249 letters"));
}

#[test]
fn a_topic_needs_a_partition() {
    assert_eq!(refused("partitions = 3", "partitions = 0"), "topic project-events: partitions is 0: expected 1 or more");
}

#[test]
fn copies_and_retention_are_numbers_that_brokers_take() {
    assert_eq!(
        refused("partitions = 3", "partitions = 3\nreplication = 0"),
        "topic project-events: replication is 0: expected 1 to 32767, or -1 to leave it to the brokers"
    );
    assert_eq!(refused("604800000", "-2"), "topic project-events: retention_ms is -2: expected 0 or more, or -1 for ever");
    assert!(with("604800000", "-1").is_ok());
}

#[test]
fn every_event_goes_to_exactly_one_topic() {
    const ALL: &str = "aggregates = [\"task\"]";
    let all_but = |last: &str| {
        let names = AggregateType::Task.event_names();
        let but_last = names[..names.len() - 1].iter().map(|name| format!("\"{name}\", "));
        format!("events = [{}{last}]", but_last.collect::<String>())
    };
    assert!(with(ALL, &all_but("\"task_moved\"")).is_ok(), "single events may be named");
    assert_eq!(refused(ALL, &all_but("")), "topic (none): the event \"task_moved\" goes to no topic; every event is published");
    assert_eq!(refused(ALL, &all_but("\"task_created\"")), "topic task-events: the event \"task_created\" goes to another topic already");
    assert_eq!(refused(ALL, &all_but("\"task_shouted_at\"")), "topic task-events: \"task_shouted_at\" is not an event");
}

#[test]
fn an_aggregate_stands_for_all_of_its_events() {
    let together = with("aggregates = [\"project\"]", "aggregates = [\"project\", \"schedule\"]").expect_err("schedules have a topic");
    assert_eq!(together.to_string(), "topic schedule-events: the event \"schedule_created\" goes to another topic already");
    assert_eq!(
        refused("aggregates = [\"task\"]", "aggregates = [\"sprint\"]"),
        "topic task-events: \"sprint\" is not an aggregate; the aggregates are project, task, schedule"
    );
    let catalogue = Catalogue::read("").expect("it reads");
    let written = toml::to_string(&catalogue).expect("it can be written");
    assert_eq!(Catalogue::parse(&written).expect("it reads again"), catalogue);
}

#[test]
fn what_is_no_catalogue_is_refused_with_the_place() {
    assert!(refused("partitions = 3", "partition = 3").contains("unknown field `partition`"));
    let missing = Catalogue::read("/nowhere/topics.toml").expect_err("it is not there").to_string();
    assert!(missing.starts_with("MILEPOST_TOPICS: the file /nowhere/topics.toml cannot be read: "), "{missing}");
}
