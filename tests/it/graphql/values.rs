//! Values outside their limits are `userErrors` with the limit in words; malformed ones are errors. The limits themselves pass.

use super::commands::{entity, key, sample};
use domain::values::limits::{
    BLOCKED_REASON_CHARS_MAX, CATEGORY_CHARS_MAX, LONG_TEXT_BYTES_MAX, PROJECT_KEY_CHARS_MAX, PROJECT_NAME_CHARS_MAX, TAG_CHARS_MAX,
    TITLE_CHARS_MAX,
};
use serde_json::{Value, json};
use tests::app::{Client, TestApp, input_type};

/// What a mutation says to an ordinary input with one value changed. The field may be a path into objects.
async fn with(client: &Client, name: &str, field: &str, value: &Value) -> Value {
    let mut sample = sample(client, name).await;
    let steps: Vec<&str> = field.split('.').collect();
    let place = steps.iter().fold(&mut sample.input, |place, step| &mut place[*step]);
    *place = value.clone();
    let query = format!(
        "mutation($i: {}!) {{ r: {name}(input: $i) {{ {} {{ id }} userErrors {{ code message path }} position }} }}",
        input_type(name),
        entity(name)
    );
    client.ask(&query, json!({ "i": sample.input })).await
}

/// Texts with limits: the mutations and the field, the greatest length, and a character to make it of.
const TEXTS: [(&[&str], &str, usize, &str); 9] = [
    (&["projectCreate", "projectUpdate"], "name", PROJECT_NAME_CHARS_MAX, "é"),
    (&["taskCreate", "taskUpdate", "scheduleCreate", "scheduleUpdate"], "title", TITLE_CHARS_MAX, "é"),
    (&["taskCreate", "taskUpdate"], "category", CATEGORY_CHARS_MAX, "é"),
    (&["taskChangeStatus"], "blockedReason", BLOCKED_REASON_CHARS_MAX, "é"),
    (&["projectCreate", "projectUpdate"], "description", LONG_TEXT_BYTES_MAX, "x"),
    (&["taskCreate", "taskUpdate"], "description", LONG_TEXT_BYTES_MAX, "x"),
    (&["taskComment"], "body", LONG_TEXT_BYTES_MAX, "x"),
    (&["projectCreate"], "key", PROJECT_KEY_CHARS_MAX, "K"),
    (&["taskCreate", "taskUpdate"], "tags", TAG_CHARS_MAX, "é"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_of_the_greatest_length_pass_and_longer_ones_name_the_limit() {
    let app = TestApp::start().await;
    for (mutations, field, most, character) in TEXTS {
        let shape = |text: String| if field == "tags" { json!([text]) } else { json!(text) };
        for name in mutations {
            let passes = with(&app.client, name, field, &shape(character.repeat(most))).await;
            assert_eq!(passes["data"]["r"]["userErrors"], json!([]), "{name}: {field} of {most}: {passes}");
            let refused = with(&app.client, name, field, &shape(character.repeat(most + 1))).await;
            let error = &refused["data"]["r"]["userErrors"][0];
            assert_eq!((&error["code"], &error["path"][0]), (&json!("INVALID_VALUE"), &json!(field)), "{name}: {refused}");
            let message = error["message"].as_str().unwrap_or_default();
            let words = [most.to_string(), "64 KiB".to_owned(), format!("1 to {} capital letters or digits", most - 1)];
            assert!(words.iter().any(|words| message.contains(words)), "{name}: {field}: the limit is not in {message:?}");
            assert_eq!(refused["data"]["r"]["position"], json!(null), "{name}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_values_outside_their_limits_name_their_path() {
    let app = TestApp::start().await;
    let threshold = |amount: i64| json!([{ "amount": 1, "unit": "DAYS" }, { "amount": amount, "unit": "DAYS" }]);
    for (name, field, value, path) in [
        ("projectCreate", "name", json!(" \t "), json!(["name"])),
        ("projectCreate", "name", json!("two\nlines"), json!(["name"])),
        ("projectCreate", "name", json!("\u{200b}\u{feff}\u{2800}"), json!(["name"])),
        ("projectCreate", "name", json!("two\u{2028}lines"), json!(["name"])),
        ("projectUpdate", "name", json!("turned\u{202e}round"), json!(["name"])),
        ("projectUpdate", "description", json!("a\u{0001}b"), json!(["description"])),
        ("taskComment", "body", json!("\u{3164}\n\u{301}"), json!(["body"])),
        ("projectCreate", "key", json!("lower"), json!(["key"])),
        ("projectCreate", "key", json!("A"), json!(["key"])),
        ("projectCreate", "key", json!("1A"), json!(["key"])),
        ("projectCreate", "key", json!("A-B"), json!(["key"])),
        ("projectCreate", "key", json!("ÄÖ"), json!(["key"])),
        ("projectCreate", "timeZone", json!("Mars/Olympus"), json!(["timeZone"])),
        ("projectCreate", "startOn", json!("1899-12-31"), json!(["startOn"])),
        ("projectUpdate", "dueOn", json!("3000-01-01"), json!(["dueOn"])),
        ("projectUpdate", "timeZone", json!(""), json!(["timeZone"])),
        ("taskCreate", "title", json!(""), json!(["title"])),
        ("taskCreate", "tags", json!(["fine", " "]), json!(["tags", "1"])),
        ("taskCreate", "estimateMinutes", json!(-1), json!(["estimateMinutes"])),
        ("taskUpdate", "estimateMinutes", json!(5_256_001), json!(["estimateMinutes"])),
        ("taskCreate", "due", json!({}), json!(["due"])),
        ("taskSetDue", "due", json!({ "date": "2031-01-01", "at": "2031-01-01T00:00:00Z" }), json!(["due"])),
        ("taskSetDue", "due", json!({ "at": "2031-01-01T00:00:00Z", "timeZone": "UTC" }), json!(["due", "timeZone"])),
        ("taskSetDue", "due", json!({ "date": "2031-01-01", "timeZone": "Nowhere" }), json!(["due", "timeZone"])),
        ("taskSetDue", "due", json!({ "date": "1899-12-31" }), json!(["due", "date"])),
        ("scheduleCreate", "due", json!({ "at": "3000-01-01T00:00:00Z" }), json!(["due", "at"])),
        ("scheduleReschedule", "due", json!({ "timeZone": "UTC" }), json!(["due"])),
        ("scheduleCreate", "thresholds", threshold(0), json!(["thresholds", "1", "amount"])),
        ("scheduleUpdate", "thresholds", threshold(-1), json!(["thresholds", "1", "amount"])),
        ("scheduleUpdate", "thresholds", threshold(100_000), json!(["thresholds", "1", "amount"])),
        ("taskChangeStatus", "blockedReason", json!(null), json!(["blockedReason"])),
        ("taskChangeStatus", "blockedReason", json!(" "), json!(["blockedReason"])),
        ("taskChangeStatus", "status", json!("TODO"), json!(["blockedReason"])),
        ("taskComment", "body", json!("\n"), json!(["body"])),
    ] {
        let refused = with(&app.client, name, field, &value).await;
        let error = &refused["data"]["r"]["userErrors"][0];
        assert_eq!((&error["code"], &error["path"]), (&json!("INVALID_VALUE"), &path), "{name} {field} {value}: {refused}");
        assert_eq!(refused["data"]["r"][entity(name)], json!(null), "{name}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_values_are_errors() {
    let app = TestApp::start().await;
    for (name, field, values) in [
        ("projectUpdate", "id", vec![json!("PRJ"), json!(""), json!(7), json!(null), json!([])]),
        ("projectUpdate", "commandId", vec![json!("again"), json!("")]),
        ("projectUpdate", "expectedVersion", vec![json!("1"), json!(1.5), json!(2_147_483_648_i64), json!(-2_147_483_649_i64)]),
        (
            "projectUpdate",
            "dueOn",
            vec![json!("2031-02-30"), json!("2031-2-3"), json!("tomorrow"), json!(20_310_203), json!("2031-02-03T00:00:00Z")],
        ),
        ("projectUpdate", "timeZone", vec![json!(1), json!({})]),
        ("projectCollaboratorAdd", "userId", vec![json!("me"), json!(null)]),
        ("projectCollaboratorAdd", "role", vec![json!("BOSS"), json!("editor"), json!(null), json!(1)]),
        ("taskCreate", "title", vec![json!(null), json!(1), json!(["a"]), json!({})]),
        ("taskCreate", "tags", vec![json!([null]), json!([1]), json!({})]),
        ("taskCreate", "assigneeIds", vec![json!(["me"]), json!([null])]),
        ("taskCreate", "estimateMinutes", vec![json!("90"), json!(0.5), json!(3_000_000_000_i64)]),
        ("taskSetDue", "due.at", vec![json!("2031-03-10"), json!("2031-03-10T25:00:00Z"), json!("2031-03-10T12:00:00"), json!(0)]),
        ("taskChangeStatus", "status", vec![json!("OPEN"), json!("todo"), json!(null)]),
        ("taskMove", "projectId", vec![json!("PRJ")]),
        (
            "scheduleUpdate",
            "thresholds",
            vec![json!([{ "amount": 1 }]), json!([{ "amount": 1, "unit": "WEEKS" }]), json!([{}]), json!([null])],
        ),
        ("taskUpdate", "nothing", vec![json!(1), json!(null)]),
    ] {
        for value in values {
            let refused = with(&app.client, name, field, &value).await;
            assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{name} {field} {value}: {refused}");
            assert!(refused["data"]["r"].is_null(), "{name} {field} {value}: {refused}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_wrong_is_told_at_once() {
    let app = TestApp::start().await;
    let input = json!({ "key": "no", "name": "", "timeZone": "no", "startOn": "1000-01-01", "dueOn": "1000-01-01", "description": "fine" });
    let refused = app.client.mutate("projectCreate", "id", input).await;
    let paths: Vec<&Value> = refused["userErrors"].as_array().expect("a list").iter().map(|error| &error["path"][0]).collect();
    assert_eq!(paths, ["key", "name", "startOn", "dueOn", "timeZone"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_kept_as_they_are_but_for_line_breaks_and_the_space_around_a_line() {
    let app = TestApp::start().await;
    let project = app.client.must("projectCreate", "id name", json!({ "key": key(), "name": "\u{a0} Ünïcode 🚲 名前 \t" })).await;
    assert_eq!(project["project"]["name"], "Ünïcode 🚲 名前");
    let description = "  two\nlines\r\n\ttab \u{202e}odd ";
    let input = json!({ "projectId": project["project"]["id"], "title": " \"quoted\" \\ and <b> ", "description": description, "tags": ["b", "a", "b"] });
    let made = app.client.must("taskCreate", "title description tags", input).await;
    assert_eq!(
        made["task"],
        json!({ "title": "\"quoted\" \\ and <b>", "description": description.replace("\r\n", "\n"), "tags": ["a", "b"] })
    );
    app.stop().await;
}
