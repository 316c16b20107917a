//! Checks a query before anything else, so that a small text cannot cause large work.
//!
//! Fragments that spread one another multiply: a kilobyte can expand to billions of fields. Everything here is counted
//! on the parsed document, each fragment once, with saturating additions.

use super::error::{bad_input, limit_exceeded};
use super::meter::TypeNames;
use super::sizes::{PAGES, Sizes};
use crate::limits::{
    FRAGMENTS_INSIDE_MAX, INTROSPECTION_LISTS_MAX, Limits, NAME_BYTES_MAX, OPERATIONS_MAX, PAGE_ROWS_DEFAULT, SMALL_ANSWER_BYTES,
    SMALL_ANSWER_VALUES, TYPE_NAMES_MAX,
};
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Error, Name, Value as ConstValue, Variables};
use async_graphql_value::Value;
use projections::deadline_log::FIRINGS_OF_MAX;
use std::collections::HashMap;

/// The lists of introspection.
const INTROSPECTION_LISTS: [&str; 9] =
    ["types", "directives", "fields", "args", "inputFields", "enumValues", "interfaces", "possibleTypes", "locations"];

/// Checks the text of a query: its tokens, and how deep its brackets go, since the parser follows them.
pub(crate) fn check_text(query: &str, limits: &Limits) -> Result<(), Error> {
    let Scanned { tokens, nesting, name_bytes } = scan(query.as_bytes());
    if tokens > limits.tokens {
        return Err(limit_exceeded("tokens", tokens, limits.tokens));
    }
    if name_bytes > NAME_BYTES_MAX {
        return Err(limit_exceeded("nameBytes", name_bytes, NAME_BYTES_MAX));
    }
    let deepest = 2 * limits.introspection_depth.max(limits.depth) + 8;
    if nesting > deepest {
        return Err(limit_exceeded("depth", nesting, deepest));
    }
    Ok(())
}

/// The measures of a text before it is parsed.
struct Scanned {
    /// Lexical tokens.
    tokens: usize,
    /// How deep brackets go.
    nesting: usize,
    /// The longest word.
    name_bytes: usize,
}

fn scan(text: &[u8]) -> Scanned {
    let (mut tokens, mut nesting, mut deepest, mut longest, mut at) = (0, 0_usize, 0, 0, 0);
    while at < text.len() {
        match text[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xEF | 0xBB | 0xBF => at += 1,
            b'#' => at += text[at..].iter().position(|byte| *byte == b'\n' || *byte == b'\r').unwrap_or(text.len() - at),
            b'"' => {
                tokens += 1;
                at = end_of_string(text, at);
            }
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') => {
                tokens += 1;
                let part_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+');
                let length = 1 + text[at + 1..].iter().take_while(|byte| part_of_word(byte)).count();
                longest = longest.max(length);
                at += length;
            }
            byte => {
                tokens += 1;
                match byte {
                    b'{' | b'(' | b'[' => {
                        nesting += 1;
                        deepest = deepest.max(nesting);
                    }
                    b'}' | b')' | b']' => nesting = nesting.saturating_sub(1),
                    _ => {}
                }
                at += 1;
            }
        }
    }
    Scanned { tokens, nesting: deepest, name_bytes: longest }
}

/// The place behind a string that begins here: in quotes, or in blocks of three.
pub(super) fn end_of_string(text: &[u8], begin: usize) -> usize {
    if text[begin..].starts_with(b"\"\"\"") {
        let mut at = begin + 3;
        while at < text.len() {
            if text[at..].starts_with(b"\\\"\"\"") {
                at += 4;
            } else if text[at..].starts_with(b"\"\"\"") {
                return at + 3;
            } else {
                at += 1;
            }
        }
        return text.len();
    }
    let mut at = begin + 1;
    while at < text.len() && text[at] != b'"' && text[at] != b'\n' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The operation to execute, if the request is unambiguous.
pub(crate) fn operation<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<&'a OperationDefinition> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(&operation.node),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name).map(|operation| &operation.node),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next().map(|operation| &operation.node)
        }
        (DocumentOperations::Single(_), Some(_)) | (DocumentOperations::Multiple(_), None) => None,
    }
}

/// The estimate of an answer from its query.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// Whether it can be large.
    pub(crate) large: bool,
    pub(crate) type_names: TypeNames,
}

/// Checks a parsed query. Returns the estimate of its answer.
pub(crate) fn check(document: &ExecutableDocument, variables: &Variables, limits: &Limits, sizes: &Sizes) -> Result<Known, Error> {
    let operations = document.operations.iter().count();
    if operations > OPERATIONS_MAX {
        return Err(limit_exceeded("operations", operations, OPERATIONS_MAX));
    }
    let mut counter =
        Counter { document, numbers: numbers(document, variables), limits, sizes, fragments: HashMap::new(), open_fragments: 0 };
    let mut known = Known::default();
    // Every operation is looked at: also one that is not executed is validated.
    for (_, operation) in document.operations.iter() {
        let weight = counter.set(&operation.node.selection_set.node, false)?;
        weight.check(limits)?;
        if weight.width > limits.root_fields {
            return Err(limit_exceeded("rootFields", weight.width, limits.root_fields));
        }
        known.large |= weight.is_large(limits);
        known.type_names = known.type_names.most(weight.inner_type_names);
    }
    // Unused fragments are checked as well.
    for (name, fragment) in &document.fragments {
        let introspection = fragment.node.type_condition.node.on.node.starts_with("__");
        counter.fragment(name, introspection)?.check(limits)?;
    }
    Ok(known)
}

/// A field that every object has.
const TYPE_NAME: &str = "__typename";
/// Most bytes of the name of a type.
const TYPE_NAME_BYTES: usize = 64;

impl TypeNames {
    fn and(self, other: Self) -> Self {
        Self { values: self.values.saturating_add(other.values), bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn most(self, other: Self) -> Self {
        Self { values: self.values.max(other.values), bytes: self.bytes.max(other.bytes) }
    }
}

/// The weight of a selection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Weight {
    /// Fields of this level alone, with fragments expanded.
    width: usize,
    /// Fields and spreads of all levels, with fragments expanded.
    selections: usize,
    depth: usize,
    /// Deepest nesting below `__schema` and `__type`.
    introspection_depth: usize,
    /// Most lists of introspection inside one another.
    introspection_lists: usize,
    cost: usize,
    /// Most values that the answer can have.
    values: usize,
    /// Most bytes that the answer can have.
    bytes: usize,
    /// Type names of this level, with fragments expanded.
    type_names: TypeNames,
    /// Most of them on one of the levels below.
    inner_type_names: TypeNames,
}

impl Weight {
    /// A spread by itself. It counts, since fragments without fields can multiply as well.
    const SPREAD: Self = Self {
        width: 0,
        selections: 1,
        depth: 0,
        introspection_depth: 0,
        introspection_lists: 0,
        cost: 0,
        values: 0,
        bytes: 0,
        type_names: TypeNames { values: 0, bytes: 0 },
        inner_type_names: TypeNames { values: 0, bytes: 0 },
    };

    fn and(self, other: Self) -> Self {
        Self {
            width: self.width.saturating_add(other.width),
            selections: self.selections.saturating_add(other.selections),
            depth: self.depth.max(other.depth),
            introspection_depth: self.introspection_depth.max(other.introspection_depth),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            cost: self.cost.saturating_add(other.cost),
            values: self.values.saturating_add(other.values),
            bytes: self.bytes.saturating_add(other.bytes),
            type_names: self.type_names.and(other.type_names),
            inner_type_names: self.inner_type_names.most(other.inner_type_names),
        }
    }

    fn is_large(self, limits: &Limits) -> bool {
        self.introspection_depth > 0
            || self.values > SMALL_ANSWER_VALUES.min(limits.answer_values)
            || self.bytes > SMALL_ANSWER_BYTES.min(limits.answer_bytes)
    }

    fn check(self, limits: &Limits) -> Result<(), Error> {
        for (limit, value, allowed) in [
            ("selections", self.selections, limits.selections),
            ("depth", self.depth, limits.depth),
            ("introspectionDepth", self.introspection_depth, limits.introspection_depth),
            ("introspectionLists", self.introspection_lists, INTROSPECTION_LISTS_MAX),
            ("typeNames", self.type_names.most(self.inner_type_names).values, TYPE_NAMES_MAX),
            ("cost", self.cost, limits.cost),
        ] {
            if value > allowed {
                return Err(limit_exceeded(limit, value, allowed));
            }
        }
        Ok(())
    }
}

/// What variables stand for, where that is a number: as given, or else the greatest default of any operation, since
/// operations may share fragments.
fn numbers<'a>(document: &'a ExecutableDocument, variables: &'a Variables) -> HashMap<&'a Name, i64> {
    let number = |value: &ConstValue| if let ConstValue::Number(number) = value { number.as_i64() } else { None };
    let mut numbers: HashMap<&Name, i64> = HashMap::new();
    let definitions = document.operations.iter().flat_map(|(_, operation)| &operation.node.variable_definitions);
    for definition in definitions.map(|definition| &definition.node) {
        if let Some(default) = definition.default_value.as_ref().and_then(|value| number(&value.node)) {
            let known = numbers.entry(&definition.name.node).or_insert(default);
            *known = default.max(*known);
        }
    }
    numbers.extend(variables.iter().filter_map(|(name, value)| Some((name, number(value)?))));
    numbers
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    numbers: HashMap<&'a Name, i64>,
    limits: &'a Limits,
    sizes: &'a Sizes,
    /// By name and whether it is below introspection; `None` while it is being counted.
    fragments: HashMap<(&'a Name, bool), Option<Weight>>,
    /// How many fragments are being counted inside one another.
    open_fragments: usize,
}

impl<'a> Counter<'a> {
    fn set(&mut self, set: &'a SelectionSet, introspection: bool) -> Result<Weight, Error> {
        let mut weight = Weight::default();
        for item in &set.items {
            let directives = item.node.directives().len();
            if directives > self.limits.directives {
                return Err(limit_exceeded("directives", directives, self.limits.directives));
            }
            weight = weight.and(match &item.node {
                Selection::Field(field) => self.field(&field.node, introspection)?,
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, introspection)?.and(Weight::SPREAD),
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, introspection)?.and(Weight::SPREAD),
            });
        }
        Ok(weight)
    }

    fn field(&mut self, field: &'a Field, introspection: bool) -> Result<Weight, Error> {
        let below = introspection || matches!(field.name.node.as_str(), "__schema" | "__type");
        let inner = self.set(&field.selection_set.node, below)?;
        let name = field.name.node.as_str();
        let (rows, size) = (self.rows(field)?, self.sizes.get(name));
        let most = if PAGES.contains(&name) { rows } else { size.rows };
        let one = if field.selection_set.node.items.is_empty() { size.bytes } else { inner.bytes.saturating_add("{},".len()) };
        let key = field.response_key().node.len().saturating_add("\"\":[],".len());
        let deeper = |depth: usize, here: bool| if here { depth.saturating_add(1) } else { depth };
        Ok(Weight {
            width: 1,
            selections: inner.selections.saturating_add(1),
            depth: deeper(inner.depth, !below),
            introspection_depth: deeper(inner.introspection_depth, below),
            introspection_lists: deeper(inner.introspection_lists, introspection && INTROSPECTION_LISTS.contains(&name)),
            // Introspection reads no rows. Its lists are counted while the answer is made.
            cost: if below { 1 } else { inner.cost.saturating_mul(rows).saturating_add(1) },
            values: inner.values.saturating_add(1).saturating_mul(most).saturating_add(1),
            bytes: one.saturating_mul(most).saturating_add(key),
            type_names: if name == TYPE_NAME { TypeNames { values: 1, bytes: key + TYPE_NAME_BYTES } } else { TypeNames::default() },
            inner_type_names: inner.type_names.most(inner.inner_type_names),
        })
    }

    /// How many rows a field may return.
    fn rows(&self, field: &Field) -> Result<usize, Error> {
        match field.name.node.as_str() {
            // The one list without a page that is read for each row.
            "firings" => return Ok(FIRINGS_OF_MAX),
            name if PAGES.contains(&name) => {}
            _ => return Ok(1),
        }
        let asked =
            ["first", "last"].into_iter().find_map(|name| Some((name, self.number(field.get_argument(name).map(|value| &value.node)?)?)));
        match asked {
            None => Ok(PAGE_ROWS_DEFAULT),
            Some((name, rows)) => {
                let rows = usize::try_from(rows).map_err(|_| bad_input(&[name], format!("{name} is {rows}: expected 0 or more")))?;
                if rows > self.limits.page_rows {
                    return Err(limit_exceeded("pageRows", rows, self.limits.page_rows));
                }
                Ok(rows.max(1))
            }
        }
    }

    fn number(&self, value: &Value) -> Option<i64> {
        match value {
            Value::Number(number) => number.as_i64(),
            Value::Variable(name) => self.numbers.get(name).copied(),
            _ => None,
        }
    }

    fn fragment(&mut self, name: &'a Name, introspection: bool) -> Result<Weight, Error> {
        match self.fragments.get(&(name, introspection)) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => {
                return Err(bad_input(&["query"], format!("the fragment {name} spreads itself, directly or through other fragments")));
            }
            None => {}
        }
        // A missing one is found by validation.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Weight::default()) };
        if self.open_fragments == FRAGMENTS_INSIDE_MAX {
            return Err(limit_exceeded("fragmentDepth", FRAGMENTS_INSIDE_MAX + 1, FRAGMENTS_INSIDE_MAX));
        }
        self.fragments.insert((name, introspection), None);
        self.open_fragments += 1;
        let weight = self.set(&fragment.node.selection_set.node, introspection)?;
        self.open_fragments -= 1;
        self.fragments.insert((name, introspection), Some(weight));
        Ok(weight)
    }
}
