//! Plain English: words of `xtask/words.txt` that user-facing texts must not use, each with what to write instead.
//!
//! The check reads the GraphQL schema, the other schemas, README, docs, examples and the page of migrations, and in our
//! crates the string literals and the help of the command line.

use crate::read;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

const WORDS: &str = "xtask/words.txt";
/// Generated or written for users as a whole; decisions and the changelog keep the words of their time.
const TEXTS: [&str; 5] = ["README.md", "docs", "examples", "migrations", "schemas"];
const KEPT: [&str; 1] = ["docs/adr"];
const CRATES: [&str; 7] = ["domain", "application", "messages", "infrastructure", "projections", "api", "server"];
/// Its doc comments are the help.
const COMMAND_LINE: &str = "server/src/cli.rs";

/// One line of the list.
#[derive(Debug)]
struct Forbidden {
    /// For each word the alternatives; an empty list for any word.
    words: Vec<Vec<String>>,
    instead: String,
}

/// Texts with words of the list.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let list = parse(&read(&root.join(WORDS))?)?;
    let mut found = vec![];
    let mut files = vec![];
    for place in TEXTS {
        texts(&root.join(place), &mut files)?;
    }
    let place_of = |file: &Path| file.strip_prefix(root).unwrap_or(file).display().to_string();
    for file in files {
        let place = place_of(&file);
        if !KEPT.iter().any(|kept| place.starts_with(kept)) {
            found.extend(findings(&place, &read(&file)?, &list));
        }
    }
    for name in CRATES {
        let mut files = vec![];
        crate::modules::collect(&root.join(name).join("src"), &mut files)?;
        for file in files.into_iter().filter(|file| !file.ends_with("testing.rs")) {
            let (place, text) = (place_of(&file), read(&file)?);
            found.extend(findings(&place, &user_facing(&text, place == COMMAND_LINE), &list));
        }
    }
    Ok(found)
}

fn texts(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            texts(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "md" || extension == "json" || extension == "graphql") {
        files.push(path.to_owned());
    }
    Ok(())
}

fn parse(text: &str) -> Result<Vec<Forbidden>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let forbidden = |line: &str| {
        let (words, instead) = line.split_once('\t').with_context(|| format!("{WORDS}: no tab in `{line}`"))?;
        let alternatives = |word: &str| match word {
            "*" => vec![],
            _ => word.split('|').map(str::to_lowercase).collect(),
        };
        Ok(Forbidden { words: words.split(' ').map(alternatives).collect(), instead: instead.to_owned() })
    };
    lines.map(forbidden).collect()
}

/// The strings of a source file up to its tests, at the lines where they are; with `docs`, its doc comments as well.
fn user_facing(text: &str, docs: bool) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let (mut out, mut in_string, mut escaped) = (String::new(), false, false);
    for line in text.split_inclusive('\n') {
        let comment = line.trim_start();
        if !in_string && comment.starts_with("//") {
            out.push_str(if docs && comment.starts_with("///") { comment } else { "\n" });
            continue;
        }
        let letters: Vec<char> = line.chars().collect();
        for (at, letter) in letters.iter().enumerate() {
            let quoted = at > 0 && letters[at - 1] == '\'' && letters.get(at + 1) == Some(&'\'');
            match letter {
                '\n' => out.push('\n'),
                '"' if !escaped && !quoted => {
                    in_string = !in_string;
                    out.push(' ');
                }
                letter if in_string => out.push(*letter),
                _ => {}
            }
            escaped = in_string && *letter == '\\' && !escaped;
        }
    }
    out
}

fn findings(place: &str, text: &str, list: &[Forbidden]) -> Vec<String> {
    if list.is_empty() {
        return vec![];
    }
    let mut words: Vec<(String, usize)> = vec![];
    for (at, line) in text.lines().enumerate() {
        let of_line = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty());
        words.extend(of_line.map(|word| (word.to_lowercase(), at + 1)));
    }
    let mut found = vec![];
    for from in 0..words.len() {
        for forbidden in list {
            let Some(here) = words.get(from..from + forbidden.words.len()) else { continue };
            let same = here.iter().zip(&forbidden.words).all(|((word, _), any_of)| any_of.is_empty() || any_of.contains(word));
            if same {
                let here: Vec<&str> = here.iter().map(|(word, _)| word.as_str()).collect();
                found.push(format!("{place}:{} says “{}”; write: {}", words[from].1, here.join(" "), forbidden.instead));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# a comment\nwish|wishes\tcommand\ncalls a|the * done\tmarks as done\n";

    fn in_text(text: &str) -> Vec<String> {
        findings("a.md", text, &parse(LIST).expect("a list"))
    }

    #[test]
    fn user_facing_texts_are_in_plain_english() {
        assert_eq!(check(&crate::root()).expect("the texts can be read"), Vec::<String>::new());
    }

    #[test]
    fn words_of_the_list_are_found_with_what_to_write_instead() {
        assert_eq!(in_text("First.\nWishes about tasks.\n"), ["a.md:2 says “wishes”; write: command"]);
        assert_eq!(in_text("It calls\nthe task done."), ["a.md:1 says “calls the task done”; write: marks as done"]);
        assert_eq!(in_text("Wishful: it calls a task open.\n"), Vec::<String>::new());
        assert!(parse("no tab").is_err());
    }

    #[test]
    fn of_sources_only_strings_before_the_tests_are_read() {
        let source =
            "/// A wish.\nfn a() {\n    say(\"a wish, \\\"quoted\\\"\", '\"', wish);\n}\n\n#[cfg(test)]\nmod tests {\n    \"wish\";\n}\n";
        assert_eq!(in_text(&user_facing(source, false)), ["a.md:3 says “wish”; write: command"]);
        assert_eq!(in_text(&user_facing(source, true)).len(), 2);
    }
}
