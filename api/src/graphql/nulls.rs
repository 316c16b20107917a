//! The value of a failed field: null, or, if it is not nullable, null in the nearest nullable parent.
//!
//! async-graphql leaves such a field out of its object instead, and an object without fields becomes null.

use super::guard::operation;
use async_graphql::parser::types::{BaseType, ExecutableDocument, OperationType, Selection, SelectionSet, TypeKind, TypeSystemDefinition};
use async_graphql::parser::{parse_query, parse_schema};
use async_graphql::{Name, PathSegment, Response, Value};
use std::collections::HashMap;

/// The type of a field.
#[derive(Debug, Clone)]
struct Shape {
    nullable: bool,
    /// The type of it, or of its elements.
    of: String,
}

/// The fields of every type of the schema.
pub(crate) struct Shapes(HashMap<String, HashMap<String, Shape>>);

/// A path to where something is null, as the response has it.
type Place<'a> = &'a [PathSegment];

impl Shapes {
    /// Of a schema in its own language.
    pub(crate) fn of(sdl: &str) -> Self {
        let mut types = HashMap::new();
        for definition in parse_schema(sdl).map(|document| document.definitions).unwrap_or_default() {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let fields = match definition.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => continue,
            };
            let shape = |mut of: async_graphql::parser::types::Type| {
                let nullable = of.nullable;
                loop {
                    match of.base {
                        BaseType::Named(name) => break Shape { nullable, of: name.to_string() },
                        BaseType::List(inner) => of = *inner,
                    }
                }
            };
            let fields = fields.into_iter().map(|field| (field.node.name.node.to_string(), shape(field.node.ty.node))).collect();
            types.insert(definition.node.name.node.to_string(), fields);
        }
        Self(types)
    }

    /// Puts nulls where fields failed.
    pub(crate) fn put_nulls(&self, query: &str, name: Option<&str>, response: &mut Response) {
        if response.errors.iter().all(|error| error.path.is_empty()) {
            return;
        }
        let Ok(document) = parse_query(query) else { return };
        let Some(operation) = operation(&document, name) else { return };
        let root = if operation.ty == OperationType::Mutation { "Mutation" } else { "Query" };
        // First all fields that failed, so that objects of which all failed are objects again; then what they take along.
        let Response { data, errors, .. } = response;
        let failed: Vec<Place<'_>> = errors
            .iter()
            .filter(|error| !error.path.is_empty())
            .filter_map(|error| {
                mark(data, &error.path);
                self.taken_along(&document, &operation.selection_set.node, root, &error.path)
            })
            .collect();
        for place in failed {
            clear(data, place);
        }
    }

    /// The place that becomes null because a field that may not be null failed. `None` if the field may be.
    fn taken_along<'a>(&self, document: &ExecutableDocument, set: &SelectionSet, root: &str, path: Place<'a>) -> Option<Place<'a>> {
        let (mut sets, mut nearest, mut failed_is_nullable) = (vec![(root.to_owned(), set)], 0, true);
        for (at, segment) in path.iter().enumerate() {
            let PathSegment::Field(key) = segment else { continue };
            let mut found = vec![];
            for (on, set) in &sets {
                find(document, set, on, key, &mut found);
            }
            let shape = found.iter().find_map(|(on, field, _)| self.0.get(on)?.get(field.as_str()))?;
            failed_is_nullable = shape.nullable;
            if shape.nullable {
                nearest = at + 1;
            }
            sets = found.into_iter().map(|(_, _, inner)| (shape.of.clone(), inner)).collect();
        }
        (!failed_is_nullable).then(|| &path[..nearest])
    }
}

/// The fields that answer under a key: the type they are of, their name, and what is asked of them.
fn find<'d>(
    document: &'d ExecutableDocument,
    set: &'d SelectionSet,
    on: &str,
    key: &str,
    found: &mut Vec<(String, &'d Name, &'d SelectionSet)>,
) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) if field.node.response_key().node == key => {
                found.push((on.to_owned(), &field.node.name.node, &field.node.selection_set.node));
            }
            Selection::Field(_) => {}
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref().map_or(on, |condition| condition.node.on.node.as_str());
                find(document, &inline.node.selection_set.node, on, key, found);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    find(document, &fragment.node.selection_set.node, fragment.node.type_condition.node.on.node.as_str(), key, found);
                }
            }
        }
    }
}

/// Puts null at the end of a path. A null on the way was an object of which all fields failed.
fn mark(data: &mut Value, path: Place<'_>) {
    let Some((segment, rest)) = path.split_first() else { return };
    match (segment, data) {
        (PathSegment::Field(key), data) => {
            if *data == Value::Null {
                *data = Value::Object(Default::default());
            }
            if let Value::Object(fields) = data {
                mark(fields.entry(Name::new(key)).or_insert(Value::Null), rest);
            }
        }
        (PathSegment::Index(index), Value::List(items)) => {
            if let Some(item) = items.get_mut(*index) {
                mark(item, rest);
            }
        }
        (PathSegment::Index(_), _) => {}
    }
}

/// Sets the value at the end of a path to null, if it still exists.
fn clear(data: &mut Value, path: Place<'_>) {
    let Some((segment, rest)) = path.split_first() else {
        *data = Value::Null;
        return;
    };
    let inner = match (segment, data) {
        (PathSegment::Field(key), Value::Object(fields)) => fields.get_mut(key.as_str()),
        (PathSegment::Index(index), Value::List(items)) => items.get_mut(*index),
        _ => None,
    };
    if let Some(inner) = inner {
        clear(inner, rest);
    }
}
