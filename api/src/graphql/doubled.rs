//! Duplicate fields in object values of a query. The specification refuses them; async-graphql keeps the last.

use super::guard::end_of_string;
use std::collections::BTreeSet;

/// A bracket that is open.
enum Open<'a> {
    /// `(` or `[`.
    Other,
    /// Of fields that are asked for.
    Selection,
    /// An object, with the fields that it has given.
    Object(BTreeSet<&'a [u8]>),
}

/// The first field that an object gives twice. What is in round brackets is a value; elsewhere braces hold fields that are asked
/// for. The parser refuses a text that is not a query.
pub(crate) fn field(query: &str) -> Option<&str> {
    let text = query.as_bytes();
    let (mut open, mut at): (Vec<Open<'_>>, usize) = (vec![], 0);
    // How many of the open brackets are round, or in round ones.
    let mut values = 0_usize;
    while at < text.len() {
        match text[at] {
            b'#' => at = behind_line(text, at),
            b'"' => at = end_of_string(text, at),
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let word = &text[at..at + text[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()];
                at += word.len();
                if let Some(Open::Object(given)) = open.last_mut()
                    && is_named(text, at)
                    && !given.insert(word)
                {
                    return std::str::from_utf8(word).ok();
                }
            }
            byte => {
                let opened = match byte {
                    b'(' | b'[' => Some(Open::Other),
                    b'{' if values > 0 => Some(Open::Object(BTreeSet::new())),
                    b'{' => Some(Open::Selection),
                    _ => None,
                };
                if let Some(opened) = opened {
                    values += usize::from(values > 0 || byte == b'(');
                    open.push(opened);
                } else if matches!(byte, b')' | b']' | b'}') {
                    open.pop();
                    values = values.saturating_sub(1);
                }
                at += 1;
            }
        }
    }
    None
}

/// Whether a colon follows, and so a value.
fn is_named(text: &[u8], mut at: usize) -> bool {
    while at < text.len() {
        match text[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xEF | 0xBB | 0xBF => at += 1,
            b'#' => at = behind_line(text, at),
            byte => return byte == b':',
        }
    }
    false
}

fn behind_line(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(text.len(), |length| at + length)
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_given_twice_is_found_in_every_object() {
        for (query, doubled) in [
            ("mutation { a(input: { x: 1, y: 2, x: 3 }) { id } }", "x"),
            ("{ a(input: { x: { y: 1 y: 2 } }) { id } }", "y"),
            ("{ a(input: [{ x: 1 }, { x: 1, x: 2 }]) }", "x"),
            ("query($i: In = { x: A x: $b }) { a(i: $i) }", "x"),
            ("{ a @skip(if: { x: 1, # {\n x , # :\n : 2 }) }", "x"),
            ("{ a(i: { x: \"} x: \\\" \", y: \"\"\" } \\\"\"\" x: \"\"\", x: 1 }) }", "x"),
        ] {
            assert_eq!(field(query), Some(doubled), "{query}");
        }
    }

    #[test]
    fn the_same_name_elsewhere_is_accepted() {
        for query in [
            "{ x: a x: a b { x: a x: a } }",
            "{ a(x: { x: { x: 1 } }, y: [{ x: 1 }, { x: 2 }]) { x x: y } }",
            "{ a(i: { x: x, y: x, z: \"x: 1, x: 2\", # x: 1\n w: $x }) { b(x: 1) { x: c } x: d } }",
            "}}))]] { a }",
            "",
            "{ a(i: {",
        ] {
            assert_eq!(field(query), None, "{query}");
        }
    }
}
