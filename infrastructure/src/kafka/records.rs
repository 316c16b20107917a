//! Tests of where records go: each of `schemas/kafka/records/` says its topic. `messages` compares the rest of it.

use super::catalogue::Catalogue;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[test]
fn every_record_is_on_the_topic_that_its_golden_says() {
    let catalogue = Catalogue::read("").expect("the built-in catalogue reads");
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/kafka/records"));
    for file in fs::read_dir(folder).expect("the folder of goldens") {
        let path = file.expect("a file").path();
        let mut record: Value = serde_json::from_str(&fs::read_to_string(&path).expect("files can be read")).expect("a golden is JSON");
        let event_type = record["value"]["event_type"].as_str().expect("a type").to_owned();
        let topic = json!(catalogue.topic_of(&event_type).map(|topic| topic.name.clone()));
        if std::env::var_os("MILEPOST_NEW_GOLDENS").is_some() && record.get("topic").is_none() {
            record["topic"] = topic.clone();
            let text = serde_json::to_string_pretty(&record).expect("a record is JSON");
            fs::write(&path, format!("{text}\n")).expect("the file can be written");
        }
        assert_eq!(record["topic"], topic, "{}", path.display());
    }
}
