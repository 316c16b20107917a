//! Tables and events of read models change only together with their number: by the number alone an older program knows
//! that a newer one has been there.

use anyhow::{Context, Result, ensure};
use projections::model::ReadModel;
use projections::models::{ForEach, for_each};
use projections::registry::shape;
use std::collections::BTreeMap;
use std::path::Path;

/// Each read model with its number and the shape that it stands for.
const SHAPES: &str = "schemas/read-models.txt";

/// By the name of the read model: its number and its shape.
type Shapes = BTreeMap<String, (u32, String)>;

struct Now(Shapes);

impl ForEach for Now {
    fn read_model<M: ReadModel>(&mut self) {
        self.0.insert(M::NAME.to_owned(), (M::VERSION, shape::<M>()));
    }
}

fn now() -> Shapes {
    let mut now = Now(Shapes::new());
    for_each(&mut now);
    now.0
}

/// What differs from the shapes that are committed.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let (committed, now) = (parse(&std::fs::read_to_string(root.join(SHAPES)).unwrap_or_default()), now());
    let mut found = unraised(&committed, &now);
    if found.is_empty() && committed != now {
        found.push(format!("{SHAPES} is out of date; when the read models are final, run `cargo xtask tidy --write`"));
    }
    Ok(found)
}

/// Takes the shapes as they are; one that changed under its number only before the first release.
pub(crate) fn write(root: &Path, released: bool) -> Result<()> {
    let (committed, now) = (parse(&std::fs::read_to_string(root.join(SHAPES)).unwrap_or_default()), now());
    let unraised = unraised(&committed, &now);
    ensure!(unraised.is_empty() || !released, "{}", unraised.join("\n"));
    unraised.iter().for_each(|problem| println!("tidy: {problem}; nothing is released yet, so this is taken"));
    let lines: String = now.iter().map(|(name, (number, shape))| format!("{name} {number} {shape}\n")).collect();
    std::fs::write(root.join(SHAPES), lines).context(SHAPES)
}

fn parse(text: &str) -> Shapes {
    let line = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), (words.next()?.parse().ok()?, words.next()?.to_owned())))
    };
    text.lines().filter_map(line).collect()
}

/// Read models whose tables or events changed while their number did not go up.
fn unraised(committed: &Shapes, now: &Shapes) -> Vec<String> {
    let told = |(name, (number, shape)): (&String, &(u32, String))| {
        let (before, shape_before) = committed.get(name)?;
        let unraised = shape != shape_before && number <= before;
        unraised.then(|| format!("the tables or events of {name} changed; raise its VERSION above {before}"))
    };
    now.iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    #[test]
    fn a_shape_that_changes_under_its_number_is_found() {
        let before = parse("activity 1 aaaa\ntask_list 3 bbbb\n");
        let found = |after| unraised(&before, &parse(after));
        assert_eq!(found("activity 1 aaaa\ntask_list 3 bbbb\nworkload 1 cccc\n"), Vec::<String>::new());
        assert_eq!(found("activity 1 aaaa\ntask_list 4 cccc\n"), Vec::<String>::new());
        let words = ["the tables or events of task_list changed; raise its VERSION above 3"];
        assert_eq!(found("activity 1 aaaa\ntask_list 3 cccc\n"), words);
        assert_eq!(found("activity 1 aaaa\ntask_list 2 cccc\n"), words);
    }

    #[test]
    fn what_is_committed_is_what_the_code_has() {
        let root = crate::root();
        assert_eq!(check(&root).expect("compared"), Vec::<String>::new());
        assert_eq!(parse(&read(&root.join(SHAPES)).expect("committed")), now());
    }
}
