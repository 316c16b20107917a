//! One input is one instant, whichever door it comes by: stored, answered, shown, compared and published.

use application::import::{LineOutcome, Refused, import};
use application::ports::EventLog;
use domain::ids::ScheduleId;
use futures::StreamExt;
use serde_json::{Value, json};
use tests::app::TestApp;
use uuid::Uuid;

/// What is written, and the instant that it is.
const WRITTEN: [(&str, &str); 6] = [
    ("2031-12-31T23:59:60Z", "2032-01-01T00:00:00.000Z"),
    ("2031-12-31T23:59:60.5Z", "2032-01-01T00:00:00.500Z"),
    ("2031-06-30T12:34:60+02:00", "2031-06-30T10:35:00.000Z"),
    ("2031-06-30T12:34:56.789999999Z", "2031-06-30T12:34:56.789Z"),
    ("2031-06-30t12:34:56z", "2031-06-30T12:34:56.000Z"),
    ("2031-06-30T12:34:56-00:30", "2031-06-30T13:04:56.000Z"),
];

const FIELDS: &str = "id due { at } thresholds { amount } nextFireAt";

/// Creates a schedule by each door and gives their ids with what was answered.
async fn by_every_door(app: &TestApp, written: &str) -> Vec<(Uuid, Option<Value>)> {
    let input = json!({ "title": "A milestone", "due": { "at": written }, "thresholds": [{ "amount": 90, "unit": "MINUTES" }] });
    let by_variable = app.client.must("scheduleCreate", FIELDS, input.clone()).await["schedule"].clone();
    let query = format!(
        "mutation {{ scheduleCreate(input: {{ title: \"A milestone\", due: {{ at: \"{written}\" }}, \
         thresholds: [{{ amount: 90, unit: MINUTES }}] }}) {{ schedule {{ {FIELDS} }} }} }}"
    );
    let by_literal = app.client.data(&query, json!({})).await["scheduleCreate"]["schedule"].clone();
    let imported = Uuid::now_v7();
    let mut input = input;
    input["id"] = json!(imported);
    // The line happened at a second 60 as well.
    let line = json!({ "command": "scheduleCreate", "commandId": Uuid::now_v7(), "at": "2016-12-31T23:59:60.25Z", "input": input });
    let lines = futures::stream::iter([Ok(line.to_string().into_bytes())]);
    let outcomes: Vec<_> = import(&app.core().application, app.client.caller, Refused::Again, lines).collect().await;
    assert!(matches!(outcomes[..], [Ok(LineOutcome::Done)]), "{outcomes:?}");
    let id = |schedule: &Value| schedule["id"].as_str().expect("an id").parse().expect("a UUID");
    vec![(id(&by_variable), Some(by_variable.clone())), (id(&by_literal), Some(by_literal.clone())), (imported, None)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_input_is_one_instant_wherever_it_comes_in_and_goes_out() {
    let app = TestApp::start_at("2031-03-01T00:00:00Z".parse().expect("a moment")).await;
    for (written, is) in WRITTEN {
        let schedules = by_every_door(&app, written).await;
        app.settled().await;
        for (id, answered) in &schedules {
            let query = format!("query($id: ID!) {{ schedule(id: $id) {{ {FIELDS} }} }}");
            let shown = app.client.data(&query, json!({ "id": id })).await["schedule"].clone();
            assert_eq!(shown["due"]["at"], json!(is), "{written} is shown");
            assert_eq!(answered.as_ref().unwrap_or(&shown), &shown, "{written} is answered");
            let recorded = app.core().log.stream_after(ScheduleId(*id).0, 0).await.expect("the log is there").remove(0);
            let published = serde_json::to_value(messages::envelope(&recorded)).expect("JSON");
            assert_eq!(published["data"]["due"]["at"], json!(is), "{written} on Kafka");
            let stored: String =
                sqlx::query_scalar("SELECT payload #>> '{schedule_created,due,at}' FROM milepost.events WHERE aggregate_id = $1")
                    .bind(id.to_string())
                    .fetch_one(&app.database.pool().await)
                    .await
                    .expect("the log can be read");
            assert_eq!(stored.trim_end_matches('Z'), is.trim_end_matches(".000Z").trim_end_matches('Z'), "{written} is stored");
            if answered.is_none() {
                assert_eq!(published["occurred_at"], json!("2017-01-01T00:00:00.250Z"));
                assert!(!serde_json::to_string(&published).expect("JSON").contains(":60"), "{published}");
            }
        }
        let by = json!({ "f": { "dueAt": { "gte": written, "lte": written } } });
        let found = app.client.data("query($f: ScheduleFilter) { schedules(filter: $f) { totalCount } }", by).await;
        assert_eq!(found["schedules"]["totalCount"], json!(schedules.len()), "{written} is compared");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_instant_or_lies_outside_the_years_is_refused_with_its_field_and_value() {
    let app = TestApp::start().await;
    let create = "mutation($i: ScheduleCreateInput!) { scheduleCreate(input: $i) { schedule { id } userErrors { code path message } } }";
    let input = |at: &str| json!({ "i": { "title": "A milestone", "due": { "at": at } } });
    for (at, year) in [("1899-12-31T23:59:59.999Z", "1899"), ("2999-12-31T23:59:60Z", "3000"), ("0000-01-01T00:00:00Z", "year 0")] {
        let refused = app.client.data(create, input(at)).await["scheduleCreate"]["userErrors"][0].clone();
        assert_eq!((&refused["code"], &refused["path"]), (&json!("INVALID_VALUE"), &json!(["due", "at"])), "{refused}");
        assert!(refused["message"].as_str().is_some_and(|message| message.contains(year) && message.contains("2999-12-31")), "{refused}");
    }
    for at in ["+012031-01-01T00:00:00Z", "2031-03-01", "2031-03-01T12:00:00", "2031-03-01T12:00:61Z", "now"] {
        let answer = app.client.ask(create, input(at)).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], json!("BAD_USER_INPUT"), "{answer}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(at) && message.contains("2031-03-10T12:00:00.000Z"), "{answer}");
    }
    assert_eq!(app.head(), 0);
    app.stop().await;
}

/// What one system writes composed, another writes decomposed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_is_found_however_its_letters_are_written() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let (composed, decomposed) = ("Caf\u{e9} N\u{f8}rrebro", "Cafe\u{301} N\u{f8}rrebro");
    for (title, tags) in [(composed, json!(["r\u{e9}sum\u{e9}", "re\u{301}sume\u{301}"])), (decomposed, json!(["re\u{301}sume\u{301}"]))] {
        let input = json!({ "projectId": project, "title": title, "tags": tags, "category": title, "description": title });
        let task = app.client.must("taskCreate", "title tags category description", input).await["task"].clone();
        let expected = json!({ "title": composed, "tags": ["r\u{e9}sum\u{e9}"], "category": composed, "description": composed });
        assert_eq!(task, expected);
    }
    app.settled().await;
    let ask = "query($f: TaskFilter) { tasks(filter: $f) { totalCount } }";
    for word in [composed, decomposed] {
        let part = word.split(' ').next().expect("a first word");
        for by in [
            json!({ "title": { "eq": word } }),
            json!({ "title": { "in": [word] } }),
            json!({ "title": { "contains": part } }),
            json!({ "title": { "startsWith": part } }),
            json!({ "category": { "eq": word } }),
            json!({ "tag": { "eq": "re\u{301}sume\u{301}" } }),
            json!({ "text": part }),
        ] {
            let found = app.client.data(ask, json!({ "f": by })).await;
            assert_eq!(found["tasks"]["totalCount"], json!(2), "{by}");
        }
        for by in [json!({ "title": { "ne": word } }), json!({ "title": { "notIn": [word] } })] {
            let found = app.client.data(ask, json!({ "f": by })).await;
            assert_eq!(found["tasks"]["totalCount"], json!(0), "{by}");
        }
    }
    app.stop().await;
}
