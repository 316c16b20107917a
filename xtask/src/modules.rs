//! No circle between the modules of a crate: whoever reads a file can read what it uses first.
//!
//! A module is a file. It uses another one if a `use` or a path in its code, apart from its tests, leads there. A `pub use` of
//! a child only passes a name on: paths through it lead to the child.

use crate::read;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

const CRATES: [&str; 7] = ["domain", "application", "messages", "infrastructure", "projections", "api", "server"];

/// Circles that may be: how the files in it begin, and why.
const ALLOWED: [(&[&str], &str); 2] = [
    (
        &["api/src/graphql/project/", "api/src/graphql/schedule/", "api/src/graphql/task/"],
        "the schema is circular: a task has its project, a project its tasks",
    ),
    (&["messages/src/"], "the list of messages has one entry for each, which says how it is mapped"),
];

/// The modules of each crate, from those that know none of the others to those that may know all before them. `*` is the place of
/// all that are not named: aggregates and read models, which may know each other as long as there is no circle. The modules of
/// `messages` are one circle that is allowed.
const ORDER: [(&str, &str); 6] = [
    ("domain", "ids fields values rule shapes event_table issued * event goldens"),
    (
        "application",
        "failure json nearest notices input caller ports error lease access state_cache executor * command application \
         deadline_scheduler reactions import bench fuzzing",
    ),
    ("infrastructure", "clock postgres config local_postgres event_store leases checkpoints kafka fuzzing"),
    ("projections", "columns querying model registry * models running versions runner fuzzing"),
    ("api", "limits load graphql http"),
    ("server", "exit cli output open_files standstill telemetry seed adapters wire commands"),
];
/// May know everything, and be known by everything that is for tests.
const FOR_TESTS: &str = "testing";

/// The path of a module in its crate: `kafka`, `relay`. Empty for `lib.rs`.
type Name = Vec<String>;

/// What one file says.
#[derive(Debug, Default)]
struct Module {
    file: String,
    /// Paths from the root of the crate, with the line that names them.
    paths: Vec<(Name, usize)>,
    /// Names that it passes on, with the path that they stand for.
    passed_on: BTreeMap<String, Name>,
}

/// Circles that should not be, and arrows up.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut found = vec![];
    for name in CRATES {
        let modules = modules(root, &root.join(name).join("src"))?;
        found.extend(circles(&modules));
        if let Some((_, order)) = ORDER.iter().find(|(ordered, _)| *ordered == name) {
            found.extend(arrows_up(&modules, &order.split(' ').collect::<Vec<_>>()));
        }
    }
    Ok(found)
}

/// Modules that use one which comes later in the order of their crate, and modules that are not in it.
fn arrows_up(modules: &BTreeMap<Name, Module>, order: &[&str]) -> Vec<String> {
    let place_of = |top: &str| order.iter().position(|known| *known == top).or_else(|| order.iter().position(|known| *known == "*"));
    let place = |name: &Name| name.first().map(|top| (top.clone(), place_of(top)));
    let mut found = vec![];
    for (name, module) in modules {
        let Some((top, from)) = place(name).filter(|(top, _)| top != FOR_TESTS) else { continue };
        let Some(from) = from else {
            found.push(format!("{}: give {top} its place in ORDER of xtask/src/modules.rs", module.file));
            continue;
        };
        for (path, line) in &module.paths {
            if let Some((later, Some(to))) = place(&target(path, modules))
                && to > from
            {
                found.push(format!("an arrow up: {}:{line} uses {later}, which comes after {top}", module.file));
            }
        }
    }
    found
}

/// Every file below `source` but tests.
fn modules(root: &Path, source: &Path) -> Result<BTreeMap<Name, Module>> {
    let mut files = vec![];
    collect(source, &mut files)?;
    let names: BTreeMap<Name, &PathBuf> = files.iter().map(|file| (name_of(source, file), file)).collect();
    let known: BTreeSet<&Name> = names.keys().collect();
    let mut modules = BTreeMap::new();
    for (name, file) in &names {
        let mut module = parse(name, &read(file)?, &known);
        module.file = file.strip_prefix(root).unwrap_or(file).display().to_string();
        modules.insert(name.clone(), module);
    }
    Ok(modules)
}

/// The source files below a folder, apart from tests.
pub(crate) fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default();
        if stem == "tests" {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "main" {
            files.push(path);
        }
    }
    Ok(())
}

fn name_of(source: &Path, file: &Path) -> Name {
    let path = file.strip_prefix(source).unwrap_or(file).with_extension("");
    let mut name: Name = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if name.last().is_some_and(|last| last == "mod" || last == "lib") {
        name.pop();
    }
    name
}

/// Reads `use` items and paths. The text is formatted by rustfmt, so that lines say where items begin and end.
fn parse(name: &Name, text: &str, known: &BTreeSet<&Name>) -> Module {
    let mut module = Module::default();
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, without_comment(line)));
    let (mut for_tests, mut inside) = (false, false);
    while let Some((at, line)) = lines.next() {
        let code = line.trim();
        // Inside a module that stands in the file, `super` is the file.
        inside = match line {
            "}" => false,
            _ => inside || code.contains("mod ") && code.ends_with('{') && line.len() == code.len(),
        };
        let absolute =
            |path: &Name| if inside && path[0] == "super" { absolute_inside(name, path, known) } else { absolute(name, path, known) };
        if code.starts_with("#[cfg(test)]") {
            for_tests = true;
            continue;
        }
        // What is only for tests, to its last line: that of a block is indented as its first.
        if for_tests && !code.starts_with("#[") {
            for_tests = false;
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            if code.ends_with('{') {
                lines.by_ref().find(|(_, line)| *line == end);
            }
            continue;
        }
        let passes_on = code.starts_with("pub") && code.contains("use ");
        if passes_on || code.starts_with("use ") {
            let mut item = code.to_owned();
            while !item.ends_with(';') {
                let Some((_, line)) = lines.next() else { break };
                item.push_str(line.trim());
            }
            let tree = item.split_once("use ").map_or("", |(_, tree)| tree).trim_end_matches(';');
            for (path, alias) in paths_of(tree) {
                let Some(path) = absolute(&path) else { continue };
                if passes_on && path.starts_with(name) && path.len() > name.len() + 1 {
                    module.passed_on.insert(alias, path);
                } else {
                    module.paths.push((path, at));
                }
            }
        } else {
            let paths = inline_paths(code).into_iter().filter_map(|path| absolute(&path));
            module.paths.extend(paths.map(|path| (path, at)));
        }
    }
    module
}

fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code).trim_end()
}

/// The paths of a `use` tree such as `a::{b, c::{self, d as e}}`, each with the name that it gets.
fn paths_of(tree: &str) -> Vec<(Name, String)> {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path: Name = path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
        let alias = if alias.is_empty() { path.last().cloned().unwrap_or_default() } else { alias.to_owned() };
        return vec![(path, alias)];
    };
    let head: Name = head.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    let rest = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let (mut paths, mut depth, mut from) = (vec![], 0, 0);
    let ends = rest.char_indices().chain([(rest.len(), ',')]);
    for (at, letter) in ends {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = rest[from..at].trim();
                from = (at + 1).min(rest.len());
                if branch == "self" {
                    paths.push((head.clone(), head.last().cloned().unwrap_or_default()));
                } else if !branch.is_empty() {
                    paths.extend(paths_of(branch).into_iter().map(|(path, alias)| ([head.clone(), path].concat(), alias)));
                }
            }
            _ => {}
        }
    }
    paths
}

/// The paths in a line of code: identifiers with `::` between them.
fn inline_paths(code: &str) -> Vec<Name> {
    let part_of_path = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let words = code.split(|letter: char| !part_of_path(letter)).filter(|word| word.contains("::"));
    words.map(|word| word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()).collect()
}

/// The path from the root of the crate, if it leads into the crate.
fn absolute(module: &Name, path: &Name, known: &BTreeSet<&Name>) -> Option<Name> {
    let mut base = module.clone();
    let mut rest = path.as_slice();
    match rest.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|first| first == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        child => {
            let of_child = [base.as_slice(), &[child.to_owned()]].concat();
            known.contains(&of_child).then_some(())?;
        }
    }
    Some([base.as_slice(), rest].concat())
}

/// The same of a path that begins with `super` in a module inside the file of a module.
fn absolute_inside(module: &Name, path: &Name, known: &BTreeSet<&Name>) -> Option<Name> {
    let from_file: Name = if path.get(1)? == "super" { path[1..].to_vec() } else { [&["self".to_owned()], &path[1..]].concat() };
    absolute(module, &from_file, known)
}

/// The module that a path leads to, through names that are passed on.
fn target(path: &Name, modules: &BTreeMap<Name, Module>) -> Name {
    let mut path = path.clone();
    // A name may be passed on several times; not for ever.
    for _ in 0..8 {
        let length = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length])).unwrap_or(0);
        let (module, rest) = path.split_at(length);
        let passed_on = rest.first().and_then(|name| modules.get(module)?.passed_on.get(name));
        match passed_on {
            Some(further) => path = [further.as_slice(), &rest[1..]].concat(),
            None => return module.to_vec(),
        }
    }
    path
}

/// Which modules a module uses, and in which line first.
type Uses<'m> = BTreeMap<&'m Name, BTreeMap<Name, usize>>;

fn circles(modules: &BTreeMap<Name, Module>) -> Vec<String> {
    let mut uses = Uses::new();
    for (name, module) in modules {
        let of_module = uses.entry(name).or_default();
        for (path, line) in &module.paths {
            let target = target(path, modules);
            if target != *name {
                of_module.entry(target).or_insert(*line);
            }
        }
    }
    let (mut found, mut seen) = (vec![], BTreeSet::new());
    for name in modules.keys() {
        let circle = shortest_circle(name, &uses);
        let files: Vec<&str> = circle.iter().filter_map(|name| Some(modules.get(name)?.file.as_str())).collect();
        let members: BTreeSet<&str> = files.iter().copied().collect();
        if circle.is_empty() || allowed(&members) || !seen.insert(members) {
            continue;
        }
        let next = circle.iter().cycle().skip(1);
        let arrows =
            circle.iter().zip(&files).zip(next).map(|((from, file), to)| format!("{file}:{} uses {}", uses[from][to], to.join("::")));
        found.push(format!("a circle: {}", arrows.collect::<Vec<_>>().join("; ")));
    }
    found
}

/// The modules of the shortest way from a module back to it; none if there is no such way.
fn shortest_circle(start: &Name, uses: &Uses<'_>) -> Vec<Name> {
    let mut came_from: BTreeMap<&Name, &Name> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for next in uses.get(module).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut way = vec![module.clone()];
                while let Some(before) = came_from.get(way.last().expect("it has the module")) {
                    way.push((*before).clone());
                }
                way.reverse();
                return way;
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, module);
                queue.push_back(next);
            }
        }
    }
    vec![]
}

/// Whether all modules of a circle belong to the same exception.
fn allowed(files: &BTreeSet<&str>) -> bool {
    ALLOWED.iter().any(|(members, _)| files.iter().all(|file| members.iter().any(|member| file.starts_with(member))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules_of(files: &[(&str, &str)]) -> BTreeMap<Name, Module> {
        let names: Vec<Name> = files.iter().map(|(file, _)| name_of(Path::new("src"), Path::new(file))).collect();
        let known: BTreeSet<&Name> = names.iter().collect();
        let module =
            |(name, (file, text)): (&Name, &(&str, &str))| (name.clone(), Module { file: (*file).to_owned(), ..parse(name, text, &known) });
        names.iter().zip(files).map(module).collect()
    }

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        circles(&modules_of(files))
    }

    #[test]
    fn the_house_has_no_circles() {
        assert_eq!(check(&crate::root()).expect("the files can be read"), Vec::<String>::new());
    }

    #[test]
    fn a_circle_is_found_with_files_and_lines() {
        let found = circles_of(&[
            ("src/lib.rs", "mod a;\nmod b;\nmod c;\n"),
            ("src/a.rs", "use std::fmt;\nuse crate::{\n    b::{self, B as Other},\n};\n"),
            ("src/b.rs", "fn b() {\n    super::c::c();\n}\n"),
            ("src/c.rs", "use crate::a::A;\n"),
        ]);
        assert_eq!(found, ["a circle: src/a.rs:2 uses b; src/b.rs:2 uses c; src/c.rs:1 uses a"]);
    }

    #[test]
    fn a_name_that_is_passed_on_leads_to_its_module() {
        let lib = "mod a;\nmod b;\npub use a::A;\n";
        assert_eq!(circles_of(&[("src/lib.rs", lib), ("src/a.rs", ""), ("src/b.rs", "use crate::A;\n")]), Vec::<String>::new());
        let found = circles_of(&[("src/lib.rs", lib), ("src/a.rs", "use crate::b::B;\n"), ("src/b.rs", "use crate::A;\n")]);
        assert_eq!(found, ["a circle: src/a.rs:1 uses b; src/b.rs:1 uses a"]);
    }

    #[test]
    fn an_arrow_up_and_a_module_without_a_place_are_found() {
        let files = [
            ("src/a.rs", "use crate::b::B;\n"),
            ("src/b.rs", ""),
            ("src/c.rs", "use crate::a::A;\n"),
            ("src/testing.rs", "use crate::c::C;\n"),
        ];
        assert_eq!(arrows_up(&modules_of(&files), &["b", "a", "c"]), Vec::<String>::new());
        assert_eq!(arrows_up(&modules_of(&files), &["*", "c"]), Vec::<String>::new());
        let found = arrows_up(&modules_of(&files), &["a", "b"]);
        assert_eq!(
            found,
            ["an arrow up: src/a.rs:1 uses b, which comes after a", "src/c.rs: give c its place in ORDER of xtask/src/modules.rs"]
        );
    }

    #[test]
    fn in_a_module_inside_a_file_super_is_the_file() {
        let text = "mod inner {\n    use super::Outer;\n    use super::super::b::B;\n}\n";
        assert_eq!(
            circles_of(&[("src/a.rs", "mod inner {\n    use super::b::B;\n}\n"), ("src/b.rs", "use crate::a::A;\n")]),
            Vec::<String>::new()
        );
        let found = circles_of(&[("src/a.rs", text), ("src/b.rs", "use crate::a::A;\n")]);
        assert_eq!(found, ["a circle: src/a.rs:3 uses b; src/b.rs:1 uses a"]);
    }

    #[test]
    fn what_only_tests_use_is_no_circle() {
        let text = "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n";
        assert_eq!(circles_of(&[("src/a.rs", text), ("src/b.rs", "// crate::c\nuse crate::a::A;\n")]), Vec::<String>::new());
        let found = circles_of(&[("src/a.rs", &format!("{text}use crate::b::B;\n")), ("src/b.rs", "use crate::a::A;\n")]);
        assert_eq!(found, ["a circle: src/a.rs:5 uses b; src/b.rs:1 uses a"]);
    }
}
