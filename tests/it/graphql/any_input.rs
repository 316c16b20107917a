//! Whatever a document asks for, with whatever values: chance writes requests from the schema, and none of them may
//! find us at fault.

use super::strange_input::assert_calm;
use super::{body, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use tests::app::{Client, How, TestApp};
use tests::dice::Dice;

const REQUESTS: usize = 20_000;
const AT_ONCE: usize = 4;
/// Deepest selection.
const DEPTH: usize = 4;
/// Deepest input object.
const INPUT_DEPTH: usize = 3;

/// The schema by the names of its types, and ids of things that are there.
struct World {
    types: BTreeMap<String, Value>,
    ids: Vec<String>,
}

const INTROSPECTION: &str = "{ __schema { types { kind name enumValues { name } possibleTypes { name }
    fields { name type { ...t } args { name type { ...t } } } inputFields { name type { ...t } } } } }
    fragment t on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

impl World {
    async fn new(app: &TestApp) -> Self {
        let schema = app.client.data(INTROSPECTION, json!({})).await;
        let types = schema["__schema"]["types"].as_array().expect("there are types").iter();
        let types = types.map(|one| (one["name"].as_str().expect("a name").to_owned(), one.clone())).collect();
        let project = app.client.project().await;
        let task = app.client.task(&project, "Here").await;
        let schedule = app.client.must("scheduleCreate", "id", json!({ "title": "Here", "due": { "date": "2031-03-01" } })).await;
        let schedule = schedule["schedule"]["id"].as_str().expect("an id").to_owned();
        Self { types, ids: vec![project, task, schedule, app.client.caller.actor.0.to_string()] }
    }

    /// A document with one operation.
    fn document(&self, dice: &mut Dice) -> String {
        let (word, root) = if dice.percent(50) { ("query", "Query") } else { ("mutation", "Mutation") };
        let mut text = word.to_owned();
        self.select(dice, root, DEPTH, &mut text);
        text
    }

    /// ` { … }` with fields of a type.
    fn select(&self, dice: &mut Dice, type_name: &str, depth: usize, text: &mut String) {
        let found = &self.types[type_name];
        text.push_str(" { __typename");
        for possible in found["possibleTypes"].as_array().into_iter().flatten().filter(|_| depth > 0) {
            if dice.percent(50) {
                let possible = possible["name"].as_str().expect("a name");
                write!(text, " ... on {possible}").expect("a text can be written to");
                self.select(dice, possible, depth - 1, text);
            }
        }
        let fields: Vec<&Value> = found["fields"].as_array().into_iter().flatten().collect();
        for number in 0..if fields.is_empty() { 0 } else { 1 + dice.below(3) } {
            let field = dice.one_of(&fields);
            let (name, inner) = (field["name"].as_str().expect("a name"), innermost(&field["type"]));
            let is_leaf = matches!(inner["kind"].as_str(), Some("SCALAR" | "ENUM"));
            if !is_leaf && depth == 0 {
                continue;
            }
            write!(text, " f{number}_{name}: {name}").expect("a text can be written to");
            self.arguments(dice, &field["args"], text);
            if !is_leaf {
                self.select(dice, inner["name"].as_str().expect("a name"), depth - 1, text);
            }
        }
        text.push_str(" }");
    }

    fn arguments(&self, dice: &mut Dice, arguments: &Value, text: &mut String) {
        let mut given = vec![];
        for argument in arguments.as_array().into_iter().flatten() {
            if argument["type"]["kind"] == "NON_NULL" || dice.percent(40) {
                let value = self.value(dice, &argument["type"], INPUT_DEPTH);
                given.push(format!("{}: {value}", argument["name"].as_str().expect("a name")));
            }
        }
        if !given.is_empty() {
            write!(text, "({})", given.join(", ")).expect("a text can be written to");
        }
    }

    /// A literal of a type, mostly right.
    fn value(&self, dice: &mut Dice, of: &Value, depth: usize) -> String {
        match of["kind"].as_str().expect("a kind") {
            "NON_NULL" => self.value(dice, &of["ofType"], depth),
            _ if dice.percent(5) => "null".to_owned(),
            "LIST" => {
                let several: Vec<_> = (0..dice.below(4)).map(|_| self.value(dice, &of["ofType"], depth)).collect();
                format!("[{}]", several.join(", "))
            }
            "ENUM" => {
                let values = self.types[of["name"].as_str().expect("a name")]["enumValues"].as_array().expect("values");
                dice.one_of(values)["name"].as_str().expect("a name").to_owned()
            }
            "INPUT_OBJECT" => self.object(dice, of["name"].as_str().expect("a name"), depth),
            _ => self.scalar(dice, of["name"].as_str().expect("a name")),
        }
    }

    fn object(&self, dice: &mut Dice, type_name: &str, depth: usize) -> String {
        let mut given = vec![];
        for field in self.types[type_name]["inputFields"].as_array().into_iter().flatten() {
            if field["type"]["kind"] == "NON_NULL" || depth > 0 && dice.percent(35) {
                let value = self.value(dice, &field["type"], depth.saturating_sub(1));
                given.push(format!("{}: {value}", field["name"].as_str().expect("a name")));
            }
        }
        format!("{{ {} }}", given.join(", "))
    }

    fn scalar(&self, dice: &mut Dice, name: &str) -> String {
        let texts: &[&str] = match name {
            "Int" => &["0", "1", "-1", "50", "2147483647", "-2147483648"],
            "Long" | "Position" => &["\"0\"", "\"1\"", "\"-1\"", "\"9223372036854775807\"", "\"9223372036854775808\"", "\"x\"", "7"],
            "Float" => &["0.5", "-1e300"],
            "Boolean" => &["true", "false"],
            "Date" => &["\"2031-03-01\"", "\"2026-02-30\"", "\"1899-12-31\"", "\"\"", "\"+2031-03-01\""],
            "DateTime" => &["\"2031-03-01T12:00:00Z\"", "\"9999-12-31T23:59:60Z\"", "\"0001-01-01T00:00:00+14:00\"", "\"now\""],
            "TimeZone" => &["\"Europe/Zurich\"", "\"UTC\"", "\"Mars/Olympus\"", "\"\""],
            "ID" => {
                return match dice.below(5) {
                    0 => format!("\"{}\"", dice.uuid()),
                    1 => "\"x\"".to_owned(),
                    _ => format!("\"{}\"", dice.one_of(&self.ids)),
                };
            }
            _ => &[
                "\"A title\"",
                "\"\"",
                "\" \"",
                "\"%_\\\\'\\\"; DROP TABLE x; --\"",
                "\"\\u0000\"",
                "\"\\uD83D\\uDE00 \u{202e} e\u{301} \u{10ffff}\"",
                "\"\"\"block\n  text\"\"\"",
                "\"T1\"",
                "\"eyJ2IjoxfQ\"",
            ],
        };
        (*dice.one_of(texts)).to_owned()
    }
}

/// A type without its lists and exclamation marks.
fn innermost(of: &Value) -> &Value {
    if of["ofType"].is_object() { innermost(&of["ofType"]) } else { of }
}

async fn ask(client: Client, world: Arc<World>, mut dice: Dice) -> usize {
    let mut answered = 0;
    for _ in 0..REQUESTS / AT_ONCE {
        let document = world.document(&mut dice);
        let answer = post(&client, body(&document, &json!({}))).await;
        assert_calm(&answer, &document);
        answered += usize::from(answer.json()["data"].is_object());
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_the_schema_can_say_finds_us_at_fault() {
    // Positions that are never reached are not worth the wait.
    let settings: tests::app::Change = Box::new(|settings| settings.limits.position_wait_ms = 5);
    let app = TestApp::start_with(How { settings: Some(settings), ..How::default() }).await;
    let world = Arc::new(World::new(&app).await);
    let mut dice = Dice::thrown();
    let asking: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(ask(app.client.clone(), Arc::clone(&world), dice.another()))).collect();
    let mut answered = 0;
    for asked in asking {
        answered += asked.await.expect("every answer was calm");
    }
    // Otherwise hardly anything was tried but the first lines of defence.
    assert!(answered > REQUESTS / 20, "{answered} of {REQUESTS} requests had data");
    app.stop().await;
}
