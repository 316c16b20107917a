//! The known name nearest to an unknown one.

/// The known name that a misspelt one is closest to, if any is close: about one slip in three letters.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: Vec<char> = given.to_lowercase().chars().collect();
    let slips_max = (given.len() / 3).max(1);
    let near = known.into_iter().map(|name| (slips(&given, &name.to_lowercase().chars().collect::<Vec<_>>()), name));
    near.filter(|(slips, _)| *slips <= slips_max).min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

/// An error of serde about an unknown name, with the nearest known name.
pub(crate) fn with_hint(message: String) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let meant = match (message.starts_with("unknown "), names.next()) {
        (true, Some(given)) => nearest(given, names),
        _ => None,
    };
    match meant {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => message,
    }
}

/// Letters to add, leave out, replace, or swap with their neighbour.
fn slips(from: &[char], to: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::{nearest, with_hint};

    #[test]
    fn a_slip_is_understood() {
        let known = ["title", "priority", "projectId"];
        for (given, meant) in [("titel", "title"), ("titl", "title"), ("prioritty", "priority"), ("project_id", "projectId")] {
            assert_eq!(nearest(given, known), Some(meant), "{given}");
        }
    }

    #[test]
    fn what_is_like_nothing_gets_no_hint() {
        assert_eq!(nearest("colour", ["title", "priority", "projectId"]), None);
        assert_eq!(nearest("", ["title"]), None);
    }

    #[test]
    fn only_an_unknown_name_gets_a_hint() {
        let hinted = with_hint("unknown field `titel`, expected one of `title`, `tags`".to_owned());
        assert!(hinted.ends_with("; did you mean `title`?"), "{hinted}");
        assert_eq!(with_hint("missing field `title`".to_owned()), "missing field `title`");
    }
}
