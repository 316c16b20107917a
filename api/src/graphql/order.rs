//! Answers have their fields in the order of the query, as the specification wants. async-graphql puts them in the order
//! in which they were found out.
//!
//! Where a place may be of several types that want the same fields in different orders, the order is that of the first.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value as Answer, Variables};
use async_graphql_value::Value;

/// The fields of a selection in their order, by the names that the answer gives them, with fragments expanded.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Order(IndexMap<Name, Order>);

struct Source<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
}

impl Order {
    /// Of an operation whose size was checked.
    pub(crate) fn of(document: &ExecutableDocument, operation: &OperationDefinition, variables: &Variables) -> Self {
        let mut order = Self::default();
        order.add(&operation.selection_set.node, &Source { document, operation, variables });
        order
    }

    fn add(&mut self, set: &SelectionSet, source: &Source<'_>) {
        for item in set.items.iter().map(|item| &item.node).filter(|item| source.includes(item.directives())) {
            match item {
                Selection::Field(field) => {
                    let inner = self.0.entry(field.node.response_key().node.clone()).or_default();
                    inner.add(&field.node.selection_set.node, source);
                }
                Selection::InlineFragment(inline) => self.add(&inline.node.selection_set.node, source),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = source.document.fragments.get(&spread.node.fragment_name.node) {
                        self.add(&fragment.node.selection_set.node, source);
                    }
                }
            }
        }
    }

    /// Brings an answer into this order.
    pub(crate) fn apply(&self, answer: &mut Answer) {
        match answer {
            Answer::List(items) if !self.0.is_empty() => items.iter_mut().for_each(|item| self.apply(item)),
            Answer::Object(fields) if !self.0.is_empty() => {
                let mut ours = self.0.keys();
                if !fields.keys().all(|name| ours.any(|our| our == name)) {
                    fields.sort_by_cached_key(|name, _| self.0.get_index_of(name));
                }
                let mut ours = self.0.iter();
                for (name, value) in fields {
                    if let Some((_, inner)) = ours.find(|(our, _)| *our == name) {
                        inner.apply(value);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Source<'_> {
    /// Whether `@skip` and `@include` leave something in.
    fn includes(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().map(|directive| &directive.node).all(|directive| {
            let holds = || directive.get_argument("if").is_some_and(|value| self.is_true(&value.node));
            match directive.name.node.as_str() {
                "skip" => !holds(),
                "include" => holds(),
                _ => true,
            }
        })
    }

    fn is_true(&self, value: &Value) -> bool {
        match value {
            Value::Boolean(value) => *value,
            Value::Variable(name) => {
                let default = || {
                    let mut definitions = self.operation.variable_definitions.iter().map(|definition| &definition.node);
                    definitions.find(|definition| definition.name.node == *name)?.default_value.as_ref().map(|value| &value.node)
                };
                matches!(self.variables.get(name).or_else(default), Some(Answer::Boolean(true)))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use async_graphql::parser::types::DocumentOperations;
    use serde_json::json;

    /// An answer, brought into the order of a query, as text.
    fn ordered(query: &str, variables: serde_json::Value, answer: &str) -> String {
        let document = parse_query(query).expect("a query");
        let DocumentOperations::Single(operation) = &document.operations else { panic!("one operation") };
        let order = Order::of(&document, &operation.node, &Variables::from_json(variables));
        let mut answer: Answer = serde_json::from_str(answer).expect("an answer");
        order.apply(&mut answer);
        serde_json::to_string(&answer).expect("JSON")
    }

    #[test]
    fn an_answer_comes_into_the_order_of_the_query() {
        for (query, answer, expected) in [
            ("{ a b c }", r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"b":2,"c":3}"#),
            ("{ a b c }", r#"{"c":3,"a":1,"b":2}"#, r#"{"a":1,"b":2,"c":3}"#),
            ("{ z: a b a }", r#"{"a":3,"b":2,"z":1}"#, r#"{"z":1,"b":2,"a":3}"#),
            ("{ l { x y } a }", r#"{"a":1,"l":[{"y":2,"x":1},null,{"x":1,"y":2}]}"#, r#"{"l":[{"x":1,"y":2},null,{"x":1,"y":2}],"a":1}"#),
            ("{ o { x } a o { y x } }", r#"{"a":1,"o":{"y":2,"x":1}}"#, r#"{"o":{"x":1,"y":2},"a":1}"#),
            ("{ ...f c } fragment f on Q { b ... on Q { a } }", r#"{"c":3,"a":2,"b":1}"#, r#"{"b":1,"a":2,"c":3}"#),
            // Fields of another type, and below a leaf, are none of the query's.
            ("{ o { ... on A { x } ... on B { y } z } }", r#"{"o":{"z":1,"y":2}}"#, r#"{"o":{"y":2,"z":1}}"#),
            ("{ b a }", r#"{"a":{"z":1,"y":2},"b":1}"#, r#"{"b":1,"a":{"z":1,"y":2}}"#),
        ] {
            assert_eq!(ordered(query, json!({}), answer), expected, "{query}");
        }
    }

    #[test]
    fn what_is_skipped_gives_its_place_to_the_next_of_its_name() {
        let query = "query($no: Boolean!, $yes: Boolean = true) { a @skip(if: $yes) ...f @include(if: $no) b a c @include(if: true) } \
                     fragment f on Q { c }";
        for (no, expected) in [(false, r#"{"b":2,"a":1,"c":3}"#), (true, r#"{"c":3,"b":2,"a":1}"#)] {
            assert_eq!(ordered(query, json!({ "no": no }), r#"{"a":1,"b":2,"c":3}"#), expected);
        }
    }
}
