//! The house in order: migrations that never change, files of a size to read, nothing stray, links that lead somewhere.

use crate::{docs, read, read_models};
use anyhow::{Context, Result, ensure};
use application::notices::NoticeName;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest file of code. Think at 500 lines.
const LINES_MAX: usize = 600;
/// What may stand in the root.
const ROOT: [&str; 30] = [
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "api",
    "application",
    "benches",
    "changelog.d",
    "clippy.toml",
    "deploy",
    "docs",
    "domain",
    "examples",
    "fuzz",
    "infrastructure",
    "messages",
    "migrations",
    "projections",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "schemas",
    "scripts",
    "server",
    "tests",
    "xtask",
];
/// Hashes of migrations that have landed.
const HASHES: &str = "migrations/hashes.txt";
/// Where every notice is explained.
const FAILURES: &str = "docs/FAILURES.md";
/// Words that tell of a machine somebody worked on.
const FOREIGN: [&str; 3] = ["/work/", "/root/", "/home/"];

/// Everything that is out of order.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let files = tracked(root)?;
    let mut found = migrations(root)?;
    found.extend(read_models::check(root)?);
    found.extend(stray(&files));
    found.extend(notices(&read(&root.join(FAILURES))?));
    for file in &files {
        let path = root.join(file);
        // Removed, and not yet committed.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        found.extend(sizes(file, &text));
        found.extend(foreign(file, &text));
        if file.ends_with(".md") {
            found.extend(links(root, file, &text));
            found.extend(docs::check(file, &text));
        }
        if file.ends_with(".rs") {
            found.extend(dead(root, file));
        }
    }
    Ok(found)
}

/// Every notice has a section of its own, and there is no section of a notice that does not exist.
fn notices(text: &str) -> Vec<String> {
    let sections: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let names: BTreeSet<&str> = NoticeName::ALL.iter().map(|name| name.word()).collect();
    let lacking = names.difference(&sections).map(|name| format!("{FAILURES} has no section ### `{name}`"));
    let unknown = sections.difference(&names).map(|name| format!("{FAILURES} has a section of {name}, and there is no such notice"));
    lacking.chain(unknown).collect()
}

/// The files that git knows or would take.
fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

fn hash(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn present(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for entry in std::fs::read_dir(root.join("migrations"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            hashes.insert(name, hash(&std::fs::read(&path)?));
        }
    }
    Ok(hashes)
}

/// A migration that has landed is never edited, renamed or removed.
fn migrations(root: &Path) -> Result<Vec<String>> {
    let landed = read(&root.join(HASHES))?;
    let present = present(root)?;
    let mut found = touched_migrations(&landed, &present);
    found.extend(new_migrations(&landed, &present));
    for name in present.keys() {
        found.extend(contracts(name, &read(&root.join("migrations").join(name))?));
    }
    Ok(found)
}

/// A migration that removes something names the programs that do not need it; see `migrations/README.md`.
fn contracts(name: &str, text: &str) -> Option<String> {
    let words: Vec<String> =
        text.lines().filter(|line| !line.trim_start().starts_with("--")).flat_map(str::split_whitespace).map(str::to_lowercase).collect();
    let takes_away = words.windows(2).any(|pair| {
        let (verb, noun) = (pair[0].as_str(), pair[1].as_str());
        (verb == "drop" && ["table", "column", "function", "view", "schema"].contains(&noun))
            || (verb == "rename" && ["to", "column"].contains(&noun))
    });
    let says =
        name.strip_suffix(".sql").and_then(|name| name.rsplit_once("_needs_")).is_some_and(|(_, version)| version.parse::<i64>().is_ok());
    (takes_away && !says)
        .then(|| format!("migrations/{name} removes something; its name must end with _needs_<version> (see migrations/README.md)"))
}

/// The hash of each migration that has landed.
fn hashes(landed: &str) -> BTreeMap<&str, &str> {
    landed.lines().filter_map(|line| line.split_once("  ")).map(|(hash, name)| (name, hash)).collect()
}

fn touched_migrations(landed: &str, present: &BTreeMap<String, String>) -> Vec<String> {
    let told = |(name, hash): (&str, &str)| match present.get(name) {
        None => Some(format!("migrations/{name} was removed; a committed migration stays")),
        Some(now) if now != hash => Some(format!("migrations/{name} was edited; it is committed, so correct it by a new file")),
        Some(_) => None,
    };
    hashes(landed).into_iter().filter_map(told).collect()
}

fn new_migrations(landed: &str, present: &BTreeMap<String, String>) -> Vec<String> {
    let landed = hashes(landed);
    let new = present.keys().filter(|name| !landed.contains_key(name.as_str()));
    new.map(|name| format!("migrations/{name} is not in {HASHES}; when it is final, run `cargo xtask tidy --write`")).collect()
}

/// Takes new migrations for landed, and read models as they are; what was touched only before the first release.
pub(crate) fn write(root: &Path) -> Result<()> {
    let changelog = read(&root.join("CHANGELOG.md"))?;
    read_models::write(root, released(&changelog))?;
    let (lines, warnings) = landing(&read(&root.join(HASHES))?, &present(root)?, &changelog)?;
    warnings.iter().for_each(|warning| println!("tidy: {warning}"));
    std::fs::write(root.join(HASHES), lines).context(HASHES)
}

/// What is written, and what is to be said about it.
fn landing(landed: &str, present: &BTreeMap<String, String>, changelog: &str) -> Result<(String, Vec<String>)> {
    let mut touched = touched_migrations(landed, present);
    ensure!(touched.is_empty() || !released(changelog), "{}", touched.join("\n"));
    if !touched.is_empty() {
        touched.push("nothing is released yet, so the change is accepted; databases created before must be recreated".to_owned());
    }
    Ok((present.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect(), touched))
}

/// Whether the changelog has a version.
fn released(changelog: &str) -> bool {
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    headings.map(|heading| heading.trim_start_matches(['[', 'v'])).any(|heading| heading.starts_with(|c: char| c.is_ascii_digit()))
}

fn stray(files: &[String]) -> Vec<String> {
    let top: BTreeSet<&str> = files.iter().filter_map(|file| file.split('/').next()).collect();
    top.into_iter()
        .filter(|name| !ROOT.contains(name))
        .map(|name| format!("{name} does not belong in the root; move it, or list it in xtask/src/tidy.rs"))
        .collect()
}

fn sizes(file: &str, text: &str) -> Option<String> {
    let code = [".rs", ".py", ".sh", ".sql"].iter().any(|ending| file.ends_with(ending)) || file.starts_with("scripts/");
    let lines = text.lines().count();
    (code && lines > LINES_MAX).then(|| format!("{file} has {lines} lines; the limit is {LINES_MAX}, the goal is 500"))
}

fn foreign(file: &str, text: &str) -> Vec<String> {
    // Bundles of others are as they are; this file names the words.
    if file.starts_with("api/graphiql/dist") || file == "xtask/src/tidy.rs" || file == "Cargo.lock" {
        return vec![];
    }
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| Some((number, FOREIGN.iter().find(|word| line.contains(**word))?)))
        .map(|(number, word)| format!("{file}:{} names a place on somebody's machine ({word})", number + 1))
        .collect()
}

/// Links to files that do not exist.
fn links(root: &Path, file: &str, text: &str) -> Vec<String> {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let mut found = vec![];
    for part in text.split("](").skip(1) {
        let Some((target, _)) = part.split_once(')') else { continue };
        let target = target.split(['#', ' ']).next().unwrap_or_default();
        if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        if !root.join(folder).join(target).exists() {
            found.push(format!("{file} links to {target}, which does not exist"));
        }
    }
    found
}

/// Files of code that no module declares.
fn dead(root: &Path, file: &str) -> Option<String> {
    let path = Path::new(file);
    let (stem, folder) = (path.file_stem()?.to_str()?, path.parent()?);
    if ["lib", "main", "build"].contains(&stem) || file.contains("/bin/") || file.contains("/fuzz_targets/") || file.contains("benches/") {
        return None;
    }
    let (name, above) = match stem {
        "mod" => (folder.file_name()?.to_str()?, folder.parent()?),
        stem => (stem, folder),
    };
    let beside: Vec<PathBuf> = match (above.file_name(), above.parent()) {
        (Some(last), Some(parent)) => {
            vec![above.join("lib.rs"), above.join("main.rs"), above.join("mod.rs"), parent.join(format!("{}.rs", last.to_string_lossy()))]
        }
        _ => vec![],
    };
    let declared = beside
        .iter()
        .filter_map(|parent| std::fs::read_to_string(root.join(parent)).ok())
        .any(|text| text.contains(&format!("mod {name};")));
    (!declared).then(|| format!("{file} is dead: no module declares it"))
}

/// The names of all metrics that the code emits.
pub(crate) fn metric_names(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in tracked(root)?.iter().filter(|file| file.ends_with(".rs") && file.contains("/src/") && !file.starts_with("xtask/")) {
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        for macro_name in ["counter!(", "gauge!(", "histogram!("] {
            let arguments = text.split(macro_name).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            names.extend(arguments.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_in_order() {
        assert_eq!(check(&crate::root()).expect("checked"), Vec::<String>::new());
    }

    const LANDED: &str = "aa  1_first.sql\nbb  2_second.sql\n";

    fn hashed(names: &[(&str, &str)]) -> BTreeMap<String, String> {
        names.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect()
    }

    #[test]
    fn an_edited_a_removed_and_a_new_migration_are_found() {
        let touched = |names| touched_migrations(LANDED, &hashed(names));
        assert!(touched(&[("1_first.sql", "aa"), ("2_second.sql", "bb")]).is_empty());
        assert!(touched(&[("1_first.sql", "xx"), ("2_second.sql", "bb")])[0].contains("was edited"));
        assert!(touched(&[("1_first.sql", "aa")])[0].contains("was removed"));
        let more = hashed(&[("1_first.sql", "aa"), ("2_second.sql", "bb"), ("3_third.sql", "cc")]);
        assert!(touched_migrations(LANDED, &more).is_empty());
        assert!(new_migrations(LANDED, &more)[0].contains("is not in"));
    }

    #[test]
    fn a_migration_that_was_released_cannot_be_written_anew() {
        let (before, after) = ("## Unreleased\n### Added\n", "## Unreleased\n\n## [0.1.0] - 2031-03-01\n");
        let more = hashed(&[("1_first.sql", "aa"), ("2_second.sql", "bb"), ("3_third.sql", "cc")]);
        let edited = hashed(&[("1_first.sql", "xx"), ("2_second.sql", "bb")]);
        for changelog in [before, after] {
            assert_eq!(landing(LANDED, &more, changelog).expect("it is new"), (format!("{LANDED}cc  3_third.sql\n"), vec![]));
        }
        let (lines, warnings) = landing(LANDED, &edited, before).expect("nothing is released");
        assert_eq!(lines, "xx  1_first.sql\nbb  2_second.sql\n");
        assert!(warnings.last().is_some_and(|warning| warning.contains("must be recreated")), "{warnings:?}");
        assert!(landing(LANDED, &edited, after).expect_err("it was released").to_string().contains("1_first.sql was edited"));
        assert!(released("## 1.0.0\n") && released("## v0.1.0\n") && !released("# Changelog\n## Unreleased\n### 1 thing\n"));
    }

    #[test]
    fn a_notice_without_a_section_and_a_section_without_a_notice_are_found() {
        let all: String = NoticeName::ALL.iter().map(|name| format!("### `{}`\n", name.word())).collect();
        assert!(notices(&all).is_empty());
        assert_eq!(notices(&all.replacen("### `relay_stuck`", "### `relay_lost`", 1)).len(), 2);
        assert!(notices("")[0].contains("has no section"));
    }

    #[test]
    fn a_migration_that_takes_something_away_names_the_programs_that_do_without() {
        let drops = "alter table milepost.events\n  DROP COLUMN legacy;";
        assert!(contracts("2_drop_legacy.sql", drops).is_some_and(|found| found.contains("_needs_<version>")));
        assert!(contracts("2_drop_legacy_needs_soon.sql", drops).is_some());
        assert!(contracts("2_drop_legacy_needs_1.sql", drops).is_none());
        assert!(contracts("2_rename.sql", "alter table a rename to b;").is_some());
        assert!(contracts("2_add.sql", "-- drop table later\nalter table a add column b text;").is_none());
    }

    #[test]
    fn a_stray_file_is_found() {
        assert_eq!(stray(&["README.md".to_owned(), "domain/src/lib.rs".to_owned()]), Vec::<String>::new());
        assert!(stray(&["notes.txt".to_owned()])[0].contains("notes.txt does not belong"));
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert!(sizes("domain/src/lib.rs", &"x\n".repeat(LINES_MAX)).is_none());
        assert!(sizes("domain/src/lib.rs", &"x\n".repeat(LINES_MAX + 1)).is_some());
        assert!(sizes("README.md", &"x\n".repeat(LINES_MAX + 1)).is_none());
    }

    #[test]
    fn a_place_on_somebodys_machine_is_found() {
        assert_eq!(foreign("docs/a.md", "one\nsee /home/ada/notes\n"), ["docs/a.md:2 names a place on somebody's machine (/home/)"]);
        assert_eq!(foreign("docs/a.md", "one\n"), Vec::<String>::new());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let root = crate::root();
        assert_eq!(links(&root, "README.md", "[a](Cargo.toml#x) [b](https://example.org) [c](#here)"), Vec::<String>::new());
        assert_eq!(links(&root, "README.md", "[a](nowhere.md)"), ["README.md links to nowhere.md, which does not exist"]);
    }

    #[test]
    fn a_dead_file_is_found() {
        let root = crate::root();
        assert_eq!(dead(&root, "xtask/src/layers.rs"), None);
        assert_eq!(dead(&root, "domain/src/task/decide.rs"), None);
        assert!(dead(&root, "xtask/src/planted.rs").is_some());
        assert!(dead(&root, "domain/src/task/planted.rs").is_some());
    }
}
