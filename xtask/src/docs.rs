//! The form of documents: lines that can be read anywhere, and decisions with a status and a date.

use std::path::Path;

/// Longest line of a document, in characters. Rows of tables and blocks of code cannot be broken, so they may be longer.
const LINE_CHARS_MAX: usize = 120;
/// What a decision can be.
const STATUSES: [&str; 3] = ["Proposed", "Accepted", "Superseded by "];

/// What is wrong with a document.
pub(crate) fn check(file: &str, text: &str) -> Vec<String> {
    let mut found = wide(file, text);
    found.extend(decision(file, text));
    found
}

fn wide(file: &str, text: &str) -> Vec<String> {
    let mut code = false;
    let mut found = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        let (chars, table) = (line.chars().count(), line.trim_start().starts_with('|'));
        // One word that is longer, such as an address, cannot be broken either.
        let can_be_broken = line.split_whitespace().all(|word| word.chars().count() <= LINE_CHARS_MAX / 2);
        if chars > LINE_CHARS_MAX && !code && !table && can_be_broken {
            found.push(format!("{file}:{number} has {chars} characters; break it after at most {LINE_CHARS_MAX}"));
        }
    }
    found
}

/// A file of `docs/adr/` whose name begins with a number starts with its title, its status and its date.
fn decision(file: &str, text: &str) -> Option<String> {
    let name = Path::new(file).file_name()?.to_str()?;
    if !file.starts_with("docs/adr/") || !name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let mut lines = text.lines().skip(2);
    let status = lines.next().and_then(|line| line.strip_prefix("- Status: "));
    let date = lines.next().and_then(|line| line.strip_prefix("- Date: "));
    let known =
        status.is_some_and(|status| STATUSES.iter().any(|known| status == *known || known.ends_with(' ') && status.starts_with(known)));
    let dated = date.is_some_and(is_date);
    (!known || !dated)
        .then(|| format!("{file} must have the lines \"- Status: {}\" and \"- Date: YYYY-MM-DD\" below its title", STATUSES.join(" | ")))
}

/// Whether a text has the form `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([4, 2, 2]) && parts.concat().bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_found_unless_it_cannot_be_broken() {
        let long = "word ".repeat(30);
        assert!(wide("a.md", &long)[0].starts_with("a.md:1 has 150 characters"));
        for whole in [format!("| {long} |"), format!("```\n{long}\n```"), "x".repeat(200), "ü".repeat(120)] {
            assert_eq!(wide("a.md", &whole), Vec::<String>::new());
        }
        assert_eq!(wide("a.md", &format!("```\n{long}\n```\n{long}")).len(), 1);
    }

    #[test]
    fn a_decision_without_a_status_or_a_date_is_found() {
        let file = "docs/adr/0001-a.md";
        for right in ["- Status: Accepted\n- Date: 2031-03-10", "- Status: Superseded by [ADR 2](0002-b.md)\n- Date: 2031-03-10"] {
            assert_eq!(decision(file, &format!("# 1. A\n\n{right}\n")), None);
        }
        for wrong in ["**Decided.** So.", "- Status: Maybe\n- Date: 2031-03-10", "- Status: Accepted\n- Date: soon"] {
            assert!(decision(file, &format!("# 1. A\n\n{wrong}\n")).is_some(), "{wrong}");
            assert_eq!(decision("docs/adr/deviations.md", &format!("# A\n\n{wrong}\n")), None);
        }
    }
}
