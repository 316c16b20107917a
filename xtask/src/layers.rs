//! Who may know whom: the edges of `docs/ARCHITECTURE.md`, compared with `cargo metadata`.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// Which crates of the workspace a crate may use.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("domain", &[]),
    ("application", &["domain"]),
    ("messages", &["domain"]),
    ("infrastructure", &["domain", "application", "messages"]),
    ("projections", &["domain"]),
    ("api", &["domain", "application", "projections", "messages"]),
    ("server", &["domain", "application", "infrastructure", "projections", "messages", "api"]),
    ("tests", &["domain", "application", "infrastructure", "projections", "messages", "api", "server"]),
    ("xtask", &["domain", "application", "infrastructure", "projections", "messages", "api", "server"]),
    ("benches", &["domain", "application", "infrastructure", "projections", "messages", "server"]),
    ("peer", &["domain"]),
];

/// Crates that stand outside and may know every library of the world.
const OUTSIDE: [&str; 3] = ["tests", "benches", "peer"];

/// Which crates may know a library of the world.
const KNOWN_BY: [(&str, &[&str]); 9] = [
    ("axum", &["api"]),
    ("async-graphql", &["api"]),
    ("jsonwebtoken", &["api"]),
    ("rdkafka", &["infrastructure"]),
    ("postgres-es", &["infrastructure"]),
    ("sqlx", &["infrastructure", "projections"]),
    ("schemars", &["application", "messages", "xtask"]),
    ("clap", &["server"]),
    ("anyhow", &["server", "xtask"]),
];

/// Everything that the domain may depend on: it cannot reach the world because the means are missing.
const DOMAIN: [&str; 10] =
    ["chrono", "chrono-tz", "cqrs-es", "icu_properties", "jiff", "serde", "serde_json", "thiserror", "unicode-normalization", "uuid"];

/// Those of them that bring more than data and rules unless their default features are off.
const WITHOUT_DEFAULTS: [&str; 5] = ["chrono", "icu_properties", "jiff", "unicode-normalization", "uuid"];

/// What reads the clock or makes random ids.
const CLOCKS: [&str; 3] = ["Utc::now", "Local::now", "Uuid::new_v4"];

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `null` for an ordinary one.
    kind: Option<String>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    uses_default_features: bool,
    #[serde(default)]
    optional: bool,
}

/// What cargo says of the workspace.
pub(crate) fn metadata(root: &Path) -> Result<Metadata> {
    let output = Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root).output();
    let output = output.context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata")
}

/// Edges that should not be.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut found = vec![];
    for package in &metadata.packages {
        let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == package.name) else {
            found.push(format!("{} has no place in the layers; give it one in xtask/src/layers.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let (user, used) = (package.name.as_str(), dependency.name.as_str());
            if MAY_USE.iter().any(|(name, _)| *name == used) && !may_use.contains(&used) {
                found.push(format!("{user} must not use {used}"));
            }
            if let Some((_, known_by)) = KNOWN_BY.iter().find(|(library, _)| *library == used)
                && !known_by.contains(&user)
                && !OUTSIDE.contains(&user)
            {
                found.push(format!("{user} must not know {used}; only {} may", known_by.join(" and ")));
            }
            if user == "messages" && used == "domain" && !dependency.optional {
                found.push("messages must use domain only behind a feature: consumers have the types alone".to_owned());
            }
            if user == "domain" && dependency.kind.is_none() {
                check_domain(dependency, &mut found);
            }
        }
    }
    found
}

/// Where a crate that gets the time and new ids from its caller makes them itself. In `domain`, `application` and `messages` the
/// compiler refuses it when each is checked by itself; these build with libraries that have a clock.
pub(crate) fn check_sources(root: &Path) -> Result<Vec<String>> {
    let mut files = vec![];
    for name in ["projections", "api"] {
        crate::modules::collect(&root.join(name).join("src"), &mut files)?;
    }
    let mut found = vec![];
    for file in files {
        let place = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        found.extend(clocks(&place, &crate::read(&file)?));
    }
    Ok(found)
}

fn clocks(place: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    let made = lines.filter_map(|(at, line)| Some((at + 1, CLOCKS.iter().find(|clock| line.contains(**clock))?)));
    made.map(|(line, clock)| format!("{place}:{line} calls {clock}; take the time and new ids from the caller")).collect()
}

/// The domain has neither clock nor random numbers.
fn check_domain(dependency: &Dependency, found: &mut Vec<String>) {
    let name = dependency.name.as_str();
    if !DOMAIN.contains(&name) && !MAY_USE.iter().any(|(known, _)| *known == name) {
        found.push(format!("domain must not depend on {name}"));
    }
    let forbidden: &[&str] = match name {
        "chrono" => &["clock", "now"],
        "jiff" => &["std", "tz-system", "tzdb-zoneinfo", "js"],
        "uuid" => &["v1", "v4", "v6", "v7", "rng"],
        _ => &[],
    };
    for feature in dependency.features.iter().filter(|feature| forbidden.contains(&feature.as_str())) {
        found.push(format!("domain must not have {name} with {feature}"));
    }
    if WITHOUT_DEFAULTS.contains(&name) && dependency.uses_default_features {
        found.push(format!("domain must have {name} without its default features"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn with(package: &str, dependency: Value) -> Vec<String> {
        let metadata = json!({ "packages": [{ "name": package, "dependencies": [dependency] }] });
        check(&serde_json::from_value(metadata).expect("metadata"))
    }

    fn ordinary(name: &str) -> Value {
        json!({ "name": name, "kind": null, "features": [], "uses_default_features": false })
    }

    #[test]
    fn the_workspace_keeps_to_its_layers() {
        let metadata = metadata(&crate::root()).expect("cargo metadata");
        assert_eq!(metadata.packages.len(), MAY_USE.len());
        assert_eq!(check(&metadata), Vec::<String>::new());
        assert_eq!(check_sources(&crate::root()).expect("the sources can be read"), Vec::<String>::new());
    }

    #[test]
    fn a_clock_in_a_read_model_is_found() {
        let found = clocks("projections/src/a.rs", "fn a() {\n    let now = Utc::now();\n}\n");
        assert_eq!(found, ["projections/src/a.rs:2 calls Utc::now; take the time and new ids from the caller"]);
    }

    #[test]
    fn a_wrong_edge_is_found() {
        assert_eq!(with("api", ordinary("infrastructure")), ["api must not use infrastructure"]);
        assert_eq!(with("domain", ordinary("application")), ["domain must not use application"]);
        assert_eq!(with("projections", ordinary("application")), ["projections must not use application"]);
        assert_eq!(with("api", ordinary("domain")), Vec::<String>::new());
    }

    #[test]
    fn a_library_in_the_wrong_crate_is_found() {
        assert_eq!(with("application", ordinary("sqlx")), ["application must not know sqlx; only infrastructure and projections may"]);
        assert_eq!(with("server", ordinary("axum")), ["server must not know axum; only api may"]);
        assert_eq!(with("tests", ordinary("sqlx")), Vec::<String>::new());
    }

    #[test]
    fn messages_that_consumers_could_not_have_without_the_domain_are_found() {
        let found = ["messages must use domain only behind a feature: consumers have the types alone"];
        assert_eq!(with("messages", ordinary("domain")), found);
        let optional = json!({ "name": "domain", "kind": null, "features": [], "uses_default_features": false, "optional": true });
        assert_eq!(with("messages", optional), Vec::<String>::new());
    }

    #[test]
    fn a_domain_that_could_reach_the_world_is_found() {
        assert_eq!(with("domain", ordinary("tokio")), ["domain must not depend on tokio"]);
        let clock = json!({ "name": "chrono", "kind": null, "features": ["clock"], "uses_default_features": false });
        assert_eq!(with("domain", clock), ["domain must not have chrono with clock"]);
        let generator = json!({ "name": "uuid", "kind": null, "features": ["v4"], "uses_default_features": false });
        assert_eq!(with("domain", generator), ["domain must not have uuid with v4"]);
        let default = json!({ "name": "chrono", "kind": null, "features": [], "uses_default_features": true });
        assert_eq!(with("domain", default), ["domain must have chrono without its default features"]);
        let system = json!({ "name": "jiff", "kind": null, "features": ["std"], "uses_default_features": true });
        assert_eq!(with("domain", system), ["domain must not have jiff with std", "domain must have jiff without its default features"]);
        let for_tests = json!({ "name": "tokio", "kind": "dev", "features": [], "uses_default_features": false });
        assert_eq!(with("domain", for_tests), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(with("helpers", ordinary("domain")), ["helpers has no place in the layers; give it one in xtask/src/layers.rs"]);
    }
}
