//! The maximal size of a field's answer. From this and the query, small answers are known beforehand, so that only the
//! others are counted value by value.

use application::inputs::REFUSALS_MAX;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, Type, TypeKind, TypeSystemDefinition};
use domain::project::COLLABORATORS_MAX;
use domain::values::limits::{
    ASSIGNEES_MAX, BLOCKED_REASON_CHARS_MAX, CATEGORY_CHARS_MAX, LONG_TEXT_BYTES_MAX, PROJECT_KEY_CHARS_MAX, PROJECT_NAME_CHARS_MAX,
    TAG_CHARS_MAX, TAGS_MAX, THRESHOLDS_MAX, TITLE_CHARS_MAX,
};
use projections::deadline_log::FIRINGS_OF_MAX;
use std::collections::HashMap;

/// Fields whose rows can be many, by their `first` and `last`.
pub(super) const PAGES: [&str; 7] = ["tasks", "projects", "schedules", "deadlines", "events", "history", "comments"];

/// The other lists, each with its greatest length. A list of the schema that is missing here fails a test.
pub(super) const LISTS: [(&str, usize); 10] = [
    // Of a page, whose rows are counted already.
    ("nodes", 1),
    ("edges", 1),
    ("assigneeIds", ASSIGNEES_MAX),
    ("collaborators", COLLABORATORS_MAX),
    ("firings", FIRINGS_OF_MAX),
    ("path", 8),
    // One for each read model there is.
    ("projections", 32),
    ("tags", TAGS_MAX),
    ("thresholds", THRESHOLDS_MAX),
    ("userErrors", REFUSALS_MAX),
];

/// Texts with a bound, each with its most bytes in JSON. Every other one may be as long as texts get.
const TEXTS: [(&str, usize); 18] = [
    ("aggregateType", SMALL_BYTES),
    ("blockedReason", BLOCKED_REASON_CHARS_MAX * CHAR_BYTES),
    ("body", LONG_TEXT_BYTES_MAX * CHAR_BYTES),
    ("category", CATEGORY_CHARS_MAX * CHAR_BYTES),
    ("code", SMALL_BYTES),
    ("cursor", CURSOR_BYTES),
    ("description", LONG_TEXT_BYTES_MAX * CHAR_BYTES),
    ("endCursor", CURSOR_BYTES),
    ("key", (PROJECT_KEY_CHARS_MAX + 12) * CHAR_BYTES),
    ("message", 4 * 1024),
    ("mode", SMALL_BYTES),
    ("name", PROJECT_NAME_CHARS_MAX * CHAR_BYTES),
    ("path", SMALL_BYTES),
    ("role", SMALL_BYTES),
    ("startCursor", CURSOR_BYTES),
    ("tags", TAG_CHARS_MAX * CHAR_BYTES),
    ("title", TITLE_CHARS_MAX * CHAR_BYTES),
    ("type", SMALL_BYTES),
];

/// Most bytes of one character in JSON: `\u0001`.
const CHAR_BYTES: usize = 6;
/// A title as JSON, in hexadecimal digits.
const CURSOR_BYTES: usize = 2 * (TITLE_CHARS_MAX * CHAR_BYTES + 200);
/// Assumed bytes of a text without its own bound. Larger ones are counted too.
const TEXT_BYTES: usize = 1024 * 1024;
/// Most bytes of a number, an id, a moment or a word of an enum.
const SMALL_BYTES: usize = 64;

/// The sizes of the fields of a schema, by name. Where types have fields of one name, the greatest.
pub(crate) struct Sizes(HashMap<String, Size>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Most rows, where it is a list; otherwise 1.
    pub(super) rows: usize,
    /// Most bytes of one value, where it has no fields of its own.
    pub(super) bytes: usize,
}

impl Sizes {
    /// Of a schema in its own language.
    pub(crate) fn of(sdl: &str) -> Self {
        let mut sizes: HashMap<String, Size> = HashMap::new();
        for (name, of) in fields(sdl) {
            let size = Size { rows: rows(&name, &of), bytes: bytes(&name, &of) };
            let known = sizes.entry(name).or_default();
            *known = Size { rows: known.rows.max(size.rows), bytes: known.bytes.max(size.bytes) };
        }
        Self(sizes)
    }

    /// The size of a field of the schema. Unknown fields are refused by validation.
    pub(super) fn get(&self, name: &str) -> Size {
        self.0.get(name).copied().unwrap_or(Size { rows: 1, bytes: SMALL_BYTES })
    }
}

/// Every field of every type that answers have.
fn fields(sdl: &str) -> Vec<(String, Type)> {
    let types = parse_schema(sdl).map(|document| document.definitions).unwrap_or_default().into_iter();
    types
        .filter_map(|definition| if let TypeSystemDefinition::Type(definition) = definition { Some(definition.node.kind) } else { None })
        .flat_map(|kind| match kind {
            TypeKind::Object(object) => object.fields,
            TypeKind::Interface(interface) => interface.fields,
            TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => vec![],
        })
        .map(|field| (field.node.name.node.to_string(), field.node.ty.node))
        .collect()
}

fn rows(name: &str, of: &Type) -> usize {
    match &of.base {
        BaseType::Named(_) => 1,
        BaseType::List(_) => LISTS.iter().find(|(list, _)| *list == name).map_or(COLLABORATORS_MAX, |(_, rows)| *rows),
    }
}

fn bytes(name: &str, of: &Type) -> usize {
    match &of.base {
        BaseType::List(of) => bytes(name, of),
        BaseType::Named(of) if matches!(of.as_str(), "String" | "JSON") => {
            TEXTS.iter().find(|(text, _)| *text == name).map_or(TEXT_BYTES, |(_, bytes)| *bytes)
        }
        BaseType::Named(_) => SMALL_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_list_of_the_schema_has_a_bound() {
        let lists: BTreeSet<String> = fields(&crate::graphql::sdl())
            .into_iter()
            .filter(|(_, of)| matches!(of.base, BaseType::List(_)))
            .map(|(name, _)| name)
            .collect();
        let known = LISTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(lists, known, "a list that is asked for by first and last is a page; any other needs a bound and a line in LISTS");
    }

    #[test]
    fn every_text_with_a_bound_is_one_of_the_schema() {
        let fields: BTreeSet<String> = fields(&crate::graphql::sdl()).into_iter().map(|(name, _)| name).collect();
        let gone: Vec<_> = TEXTS.iter().map(|(name, _)| *name).filter(|name| !fields.contains(*name)).collect();
        assert_eq!(gone, Vec::<&str>::new());
    }

    #[test]
    fn sizes_are_the_greatest_of_a_name() {
        let sizes = Sizes::of("type A { title: String! tags: [String!]! n: Int! } type B { tags: Int text: String unknown: [Int!] }");
        let expect = |rows, bytes| Size { rows, bytes };
        assert_eq!(sizes.get("title"), expect(1, 1_200));
        assert_eq!(sizes.get("tags"), expect(50, 300));
        assert_eq!(sizes.get("n"), expect(1, 64));
        assert_eq!(sizes.get("text"), expect(1, TEXT_BYTES));
        assert_eq!(sizes.get("unknown"), expect(1_000, 64));
        assert_eq!(sizes.get("nowhere"), expect(1, 64));
    }
}
