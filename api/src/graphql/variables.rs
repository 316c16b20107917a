//! Variables that are declared and left out.
//!
//! Where one is needed, the request is refused. Of the others, the specification says that an argument or input field
//! given by such a variable counts as omitted. async-graphql passes null instead, which would clear fields that a
//! client did not mean to change. So uses of them are removed from the query before it is executed.

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value as ConstValue, Variables};
use async_graphql_value::Value;
use std::collections::HashSet;

/// Removes the uses of variables that are nullable, without default, and not given.
pub(crate) fn drop_absent(document: &mut ExecutableDocument, name: Option<&str>, variables: &Variables) {
    keep_only(document, name);
    let DocumentOperations::Single(operation) = &mut document.operations else { return };
    let used_by_directives = in_directives(&operation.node, document.fragments.values().map(|fragment| &fragment.node.selection_set.node));
    let absent: HashSet<Name> = operation
        .node
        .variable_definitions
        .iter()
        .map(|definition| &definition.node)
        .filter(|definition| definition.var_type.node.nullable && definition.default_value.is_none())
        .map(|definition| definition.name.node.clone())
        .filter(|name| !variables.contains_key(name) && !used_by_directives.contains(name))
        .collect();
    if absent.is_empty() {
        return;
    }
    operation.node.variable_definitions.retain(|definition| !absent.contains(&definition.node.name.node));
    clean(&mut operation.node.selection_set.node, &absent);
    for fragment in document.fragments.values_mut() {
        clean(&mut fragment.node.selection_set.node, &absent);
    }
}

/// What is wrong with a variable. async-graphql looks only at those that are arguments of fields, not of directives.
pub(crate) fn wrong(document: &ExecutableDocument, operation: &OperationDefinition, variables: &Variables) -> Option<(Name, String)> {
    let in_directives = in_directives(operation, document.fragments.values().map(|fragment| &fragment.node.selection_set.node));
    operation.variable_definitions.iter().map(|definition| &definition.node).find_map(|definition| {
        let name = &definition.name.node;
        let value = variables.get(name).or(definition.default_value.as_ref().map(|value| &value.node));
        let given = value.is_some_and(|value| *value != ConstValue::Null);
        if !given && !definition.var_type.node.nullable {
            return Some((name.clone(), format!("the variable ${name} is required")));
        }
        if in_directives.contains(name) && !matches!(value, Some(ConstValue::Boolean(_))) {
            return Some((name.clone(), format!("the variable ${name} is used in a directive and must be true or false")));
        }
        None
    })
}

/// Keeps only the operation that is executed: others may use the same fragments with other variables.
fn keep_only(document: &mut ExecutableDocument, name: Option<&str>) {
    if let DocumentOperations::Multiple(operations) = &mut document.operations {
        let chosen = match name {
            Some(name) => operations.remove(name),
            None if operations.len() == 1 => operations.drain().next().map(|(_, operation)| operation),
            None => None,
        };
        if let Some(operation) = chosen {
            document.operations = DocumentOperations::Single(operation);
        }
    }
}

fn in_directives<'a>(operation: &'a OperationDefinition, fragments: impl Iterator<Item = &'a SelectionSet>) -> HashSet<Name> {
    let mut found: HashSet<Name> = operation.directives.iter().flat_map(|directive| names(&directive.node.arguments)).collect();
    let mut sets: Vec<&SelectionSet> = fragments.chain([&operation.selection_set.node]).collect();
    while let Some(set) = sets.pop() {
        for item in &set.items {
            found.extend(item.node.directives().iter().flat_map(|directive| names(&directive.node.arguments)));
            match &item.node {
                Selection::Field(field) => sets.push(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => sets.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    found
}

fn names(arguments: &[(Positioned<Name>, Positioned<Value>)]) -> Vec<Name> {
    let used = |value: &Value| if let Value::Variable(name) = value { Some(name.clone()) } else { None };
    arguments.iter().filter_map(|(_, value)| used(&value.node)).collect()
}

fn clean(set: &mut SelectionSet, absent: &HashSet<Name>) {
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) => {
                field.node.arguments.retain_mut(|(_, value)| keep(&mut value.node, absent));
                clean(&mut field.node.selection_set.node, absent);
            }
            Selection::InlineFragment(inline) => clean(&mut inline.node.selection_set.node, absent),
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Whether a value is there. Inside an object, fields that are not are taken out; inside a list, such an item is null.
fn keep(value: &mut Value, absent: &HashSet<Name>) -> bool {
    match value {
        Value::Variable(name) => !absent.contains(name),
        Value::Object(fields) => {
            fields.retain(|_, value| keep(value, absent));
            true
        }
        Value::List(items) => {
            for item in items {
                if !keep(item, absent) {
                    *item = Value::Null;
                }
            }
            true
        }
        _ => true,
    }
}
