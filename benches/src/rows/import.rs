//! `milepost import` of a file of commands.

use crate::filling::title;
use crate::numbers::{median, short};
use crate::report::Row;
use crate::stand::{SECRET, Stand};
use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

/// Projects in the file.
const PROJECTS: usize = 20;
/// Commands about each task: it is created, renamed, assigned and completed.
const LIFE: usize = 4;
/// Tasks that are under way at the same time.
const OPEN: usize = 500;

#[derive(Deserialize)]
struct Summary {
    done: u64,
    rejected: u64,
    seconds: f64,
}

pub(super) async fn measure(stand: &Stand) -> Result<Vec<Row>> {
    let file = stand.folder.join("import.ndjson");
    let lines = lines(stand.sizes.import_lines);
    std::fs::write(&file, lines.join("\n"))?;
    let mut rates = vec![];
    for _ in 0..stand.sizes.pairs {
        let url = stand.database("import").await?;
        let mut command = Command::new(stand.built.join("milepost"));
        command.arg("import").arg(&file).args(["--json", "--workspace", &Uuid::now_v7().to_string()]);
        let output = command.env("DATABASE_URL", &url).env("MILEPOST_AUTH_HS256_SECRET", SECRET).output().await?;
        ensure!(output.status.success(), "milepost import: {}", String::from_utf8_lossy(&output.stderr));
        let summary: Summary = serde_json::from_slice(&output.stdout)?;
        ensure!(summary.done == lines.len() as u64 && summary.rejected == 0, "every line is carried out");
        let rate = summary.done as f64 / summary.seconds;
        eprintln!("  {} commands/s", short(rate));
        rates.push(rate);
    }
    std::fs::remove_file(file)?;
    stand.drop_database("import").await?;
    let rate = median(&rates);
    let row = Row::of("import of commands from a file", format!("{} commands/s", short(rate)));
    Ok(vec![row.target("≥ 5,000 commands/s", rate >= 5_000.0).note("creations, renamings, assignments and completions, in turn")])
}

fn line(command: &str, input: &Value) -> String {
    json!({ "command": command, "commandId": Uuid::now_v7(), "at": "2024-05-01T09:00:00Z", "input": input }).to_string()
}

fn lines(count: usize) -> Vec<String> {
    let projects: Vec<Uuid> = (0..PROJECTS).map(|_| Uuid::now_v7()).collect();
    let begin = |(number, id): (usize, &Uuid)| {
        line("projectCreate", &json!({ "id": id, "key": format!("P{number}X"), "name": format!("Line {number}") }))
    };
    let mut lines: Vec<String> = projects.iter().enumerate().map(begin).collect();
    let mut first = 0;
    while lines.len() < count {
        let open: Vec<Uuid> = (0..OPEN).map(|_| Uuid::now_v7()).collect();
        for step in 0..LIFE {
            lines.extend(open.iter().enumerate().map(|(number, id)| match step {
                0 => {
                    let project = projects[number % PROJECTS];
                    line(
                        "taskCreate",
                        &json!({ "id": id, "projectId": project, "title": title(first + number).to_string(), "tags": ["line"] }),
                    )
                }
                1 => line("taskUpdate", &json!({ "id": id, "title": title(first + number + 1_000_000).to_string() })),
                2 => line("taskAssign", &json!({ "id": id, "userId": projects[0] })),
                _ => line("taskComplete", &json!({ "id": id })),
            }));
        }
        first += OPEN;
    }
    lines.truncate(count);
    lines
}
