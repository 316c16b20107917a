//! A variable that is left out counts as not given: it changes nothing. An explicit null clears.

use serde_json::{Value, json};
use tests::app::{Client, TestApp};

/// How a client may say, or not say, what a field is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    FieldAbsent,
    VariableAbsent,
    VariableNull,
    VariableGiven,
    LiteralNull,
    DefaultNull,
    DefaultGiven,
    DefaultOverruled,
}

const ALL: [Said; 8] = [
    Said::FieldAbsent,
    Said::VariableAbsent,
    Said::VariableNull,
    Said::VariableGiven,
    Said::LiteralNull,
    Said::DefaultNull,
    Said::DefaultGiven,
    Said::DefaultOverruled,
];

/// A field of an update: name, type, what it was, another value, and what null makes of it (`None`: null is refused).
struct Field {
    name: &'static str,
    graphql: &'static str,
    before: Value,
    given: Value,
    cleared: Option<Value>,
}

fn field(name: &'static str, graphql: &'static str, before: Value, given: Value, cleared: Option<Value>) -> Field {
    Field { name, graphql, before, given, cleared }
}

/// A literal of GraphQL for a value.
fn literal(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", literal(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        // The one enumeration among the fields.
        Value::String(text) if text == "DAYS" => text.clone(),
        other => other.to_string(),
    }
}

impl Field {
    /// The variable's definition, the field in the input, and the variable's value, where there is one.
    fn say(&self, said: Said) -> (String, String, Option<Value>) {
        let (name, graphql) = (self.name, self.graphql);
        let (variable, field) = (format!("${name}: {graphql}"), format!("{name}: ${name}"));
        match said {
            Said::FieldAbsent => (String::new(), String::new(), None),
            Said::VariableAbsent => (variable, field, None),
            Said::VariableNull => (variable, field, Some(Value::Null)),
            Said::VariableGiven => (variable, field, Some(self.given.clone())),
            Said::LiteralNull => (String::new(), format!("{name}: null"), None),
            Said::DefaultNull => (format!("{variable} = null"), field, None),
            Said::DefaultGiven => (format!("{variable} = {}", literal(&self.given)), field, None),
            Said::DefaultOverruled => (format!("{variable} = {}", literal(&self.given)), field, Some(Value::Null)),
        }
    }

    /// What the field is afterwards; `None` where it is refused.
    fn expected(&self, said: Said) -> Option<Value> {
        match said {
            Said::FieldAbsent | Said::VariableAbsent => Some(self.before.clone()),
            Said::VariableGiven | Said::DefaultGiven => Some(self.given.clone()),
            Said::VariableNull | Said::LiteralNull | Said::DefaultNull | Said::DefaultOverruled => self.cleared.clone(),
        }
    }
}

/// An update and its fields.
struct Update {
    name: &'static str,
    create: &'static str,
    needed: Value,
    fields: Vec<Field>,
}

fn updates(project: &str) -> [Update; 3] {
    let threshold = |amount: i32| json!([{ "amount": amount, "unit": "DAYS" }]);
    [
        Update {
            name: "projectUpdate",
            create: "projectCreate",
            needed: json!({}),
            fields: vec![
                field("name", "String", json!("kept"), json!("new"), None),
                field("description", "String", json!("kept"), json!("new"), Some(json!(""))),
                field("startOn", "Date", json!("2031-01-01"), json!("2031-01-02"), Some(json!(null))),
                field("dueOn", "Date", json!("2031-12-30"), json!("2031-12-31"), Some(json!(null))),
                field("timeZone", "TimeZone", json!("Asia/Kathmandu"), json!("Europe/Zurich"), None),
            ],
        },
        Update {
            name: "taskUpdate",
            create: "taskCreate",
            needed: json!({ "projectId": project }),
            fields: vec![
                field("title", "String", json!("kept"), json!("new"), None),
                field("description", "String", json!("kept"), json!("new"), Some(json!(""))),
                field("category", "String", json!("kept"), json!("new"), Some(json!(null))),
                field("tags", "[String!]", json!(["kept"]), json!(["new"]), Some(json!([]))),
                field("estimateMinutes", "Int", json!(5), json!(6), Some(json!(null))),
            ],
        },
        Update {
            name: "scheduleUpdate",
            create: "scheduleCreate",
            needed: json!({ "due": { "at": "2031-01-01T00:00:00Z" } }),
            fields: vec![
                field("title", "String", json!("kept"), json!("new"), None),
                field("thresholds", "[ThresholdInput!]", threshold(1), threshold(2), None),
            ],
        },
    ]
}

impl Update {
    async fn made(&self, client: &Client) -> String {
        let mut input = self.needed.clone();
        if self.create == "projectCreate" {
            input["key"] = json!(super::commands::key());
        }
        for field in &self.fields {
            input[field.name] = field.before.clone();
        }
        let made = client.must(self.create, "id", input).await;
        made[super::commands::entity(self.create)]["id"].as_str().expect("an id").to_owned()
    }

    /// What is asked of the entity.
    fn asked(&self) -> String {
        let names: Vec<&str> =
            self.fields.iter().map(|field| if field.name == "thresholds" { "thresholds { amount unit }" } else { field.name }).collect();
        names.join(" ")
    }

    /// Sends the update with every field given in its way; the arguments are in a fragment if requested.
    async fn sent(&self, client: &Client, id: &str, said: &[Said], in_fragment: bool) -> Value {
        let mut variables = json!({ "id": id });
        let (mut definitions, mut inputs) = ("$id: ID!".to_owned(), "id: $id".to_owned());
        for (field, said) in self.fields.iter().zip(said) {
            let (definition, input, value) = field.say(*said);
            definitions = format!("{definitions} {definition}");
            inputs = format!("{inputs} {input}");
            if let Some(value) = value {
                variables[field.name] = value;
            }
        }
        let entity = super::commands::entity(self.name);
        let field = format!("r: {}(input: {{ {inputs} }}) {{ {entity} {{ {} }} userErrors {{ code path }} }}", self.name, self.asked());
        let query = if in_fragment {
            format!("mutation({definitions}) {{ ...all }} fragment all on Mutation {{ {field} }}")
        } else {
            format!("mutation({definitions}) {{ {field} }}")
        };
        client.data(&query, variables).await["r"].clone()
    }

    /// The entity, or the fields that are refused.
    fn expected(&self, said: &[Said]) -> Value {
        let refused: Vec<Value> = self
            .fields
            .iter()
            .zip(said)
            .filter(|(field, said)| field.expected(**said).is_none())
            .map(|(field, _)| json!({ "code": "INVALID_VALUE", "path": [field.name] }))
            .collect();
        let entity: serde_json::Map<String, Value> =
            self.fields.iter().zip(said).map(|(field, said)| (field.name.to_owned(), field.expected(*said).unwrap_or_default())).collect();
        let entity = if refused.is_empty() { Value::Object(entity) } else { Value::Null };
        json!({ super::commands::entity(self.name): entity, "userErrors": refused })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_field_of_each_update_is_left_cleared_or_set_as_it_was_said() {
    let app = TestApp::start().await;
    for update in updates(&app.client.project().await) {
        for index in 0..update.fields.len() {
            for said in ALL {
                for in_fragment in [false, true] {
                    let mut all = vec![Said::VariableAbsent; update.fields.len()];
                    all[index] = said;
                    let id = update.made(&app.client).await;
                    let answer = update.sent(&app.client, &id, &all, in_fragment).await;
                    let what = format!("{}: {} is {said:?}, in a fragment: {in_fragment}", update.name, update.fields[index].name);
                    assert_eq!(answer, update.expected(&all), "{what}");
                }
            }
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_said_in_different_ways_do_not_disturb_one_another() {
    let app = TestApp::start().await;
    let [_, update, _] = updates(&app.client.project().await);
    // Every field in every way, each beside others said otherwise; the title is never null here.
    for shift in 0..ALL.len() {
        let said: Vec<Said> = (0..update.fields.len()).map(|index| ALL[(shift + 3 * index) % ALL.len()]).collect();
        let id = update.made(&app.client).await;
        assert_eq!(update.sent(&app.client, &id, &said, false).await, update.expected(&said), "{said:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_input_as_a_variable_is_taken_as_it_is() {
    let app = TestApp::start().await;
    let [_, update, _] = updates(&app.client.project().await);
    let id = update.made(&app.client).await;
    let fields = "title description category tags";
    let kept = json!({ "title": "new", "description": "kept", "category": "kept", "tags": ["kept"] });
    assert_eq!(app.client.must("taskUpdate", fields, json!({ "id": id, "title": "new" })).await["task"], kept);
    let cleared = json!({ "title": "new", "description": "", "category": null, "tags": [] });
    let nulls = json!({ "id": id, "description": null, "category": null, "tags": null });
    assert_eq!(app.client.must("taskUpdate", fields, nulls).await["task"], cleared);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_of_queries_by_absent_variables_count_as_not_given() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    let made = app.client.must("taskCreate", "id", json!({ "projectId": project, "title": "Here" })).await;
    app.settled().await;
    let id = &made["task"]["id"];
    for (query, variables, expected) in [
        ("query($i: ID, $k: String) { task(id: $i, key: $k) { title } }", json!({ "i": id }), json!({ "task": { "title": "Here" } })),
        (
            "query($f: Int, $l: Int, $a: String, $c: TaskFilter) { tasks(first: $f, last: $l, after: $a, filter: $c) { nodes { title } } }",
            json!({ "l": 1 }),
            json!({ "tasks": { "nodes": [{ "title": "Here" }] } }),
        ),
        (
            "query($c: String, $t: String) { tasks(filter: { category: { eq: $c }, title: { eq: $t } }) { totalCount } }",
            json!({ "t": "Here" }),
            json!({ "tasks": { "totalCount": 1 } }),
        ),
        (
            "query A($c: String) { tasks(filter: { category: { eq: $c } }) { ...n } } fragment n on TaskConnection { totalCount }",
            json!({}),
            json!({ "tasks": { "totalCount": 1 } }),
        ),
    ] {
        assert_eq!(app.client.data(query, variables).await, expected, "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_needed_variable_that_is_left_out_is_an_error() {
    let app = TestApp::start().await;
    for query in [
        "mutation($v: String!) { taskUpdate(input: { id: \"3f2b6f0e-0000-7000-8000-000000000000\", title: $v }) { version } }",
        "query($v: Boolean!) { viewer { actorId @include(if: $v) } }",
        "query($v: Boolean!) { viewer { actorId ...a @skip(if: $v) } } fragment a on Viewer { role }",
        "query($v: String!) { tasks(filter: { or: [{ tag: { eq: $v } }] }) { totalCount } }",
    ] {
        for variables in [json!({}), json!({ "v": null }), json!({ "V": true })] {
            let refused = app.client.ask(query, variables).await;
            let expected = json!([{ "message": "the variable $v is required",
                "extensions": { "code": "BAD_USER_INPUT", "path": ["variables", "v"] } }]);
            assert_eq!(refused, json!({ "errors": expected }), "{query}");
        }
    }
    // One that may be left out cannot stand where something is needed.
    for query in
        ["mutation($v: ID) { taskDelete(input: { id: $v }) { version } }", "query($v: Boolean) { viewer { actorId @include(if: $v) } }"]
    {
        for variables in [json!({}), json!({ "v": null }), json!({ "v": "yes" }), json!({ "v": 1 })] {
            assert_eq!(app.client.error(query, variables).await, "BAD_USER_INPUT", "{query}");
        }
    }
    let query = "query($v: Boolean = false) { viewer { role @include(if: $v) __typename @skip(if: $v) } }";
    assert_eq!(app.client.data(query, json!({})).await, json!({ "viewer": { "__typename": "Viewer" } }));
    assert_eq!(app.client.data(query, json!({ "v": true })).await, json!({ "viewer": { "role": "owner" } }));
    app.stop().await;
}
