//! Lines are carried out at the same time, and come to what they would have come to one after another.

use super::story::{WORKSPACE, file_of, line};
use super::{Folder, done, milepost};
use chrono::{DateTime, NaiveDate, Utc};
use domain::values::{Due, parse_zone};
use serde_json::json;
use tests::database::TestDatabase;
use uuid::Uuid;

const ZONES: [&str; 5] = ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Auckland", "Europe/Zurich"];
/// Tasks under each zone.
const TASKS: usize = 40;

#[tokio::test]
async fn days_are_counted_in_the_zone_that_the_project_has_at_that_line() {
    let (database, folder, project) = (TestDatabase::new().await, Folder::new(), Uuid::now_v7());
    let mut lines = vec![line("projectCreate", json!({ "id": project, "key": "ZONES", "name": "Zones" }))];
    for zone in ZONES {
        lines.push(line("projectUpdate", json!({ "id": project, "timeZone": zone })));
        for _ in 0..TASKS {
            lines.push(line("taskCreate", json!({ "projectId": project, "title": zone, "due": { "date": "2031-05-01" } })));
        }
    }
    // Dates given later, to tasks whose lines do not name the project.
    let late: Vec<Uuid> = (0..TASKS).map(|_| Uuid::now_v7()).collect();
    lines.extend(late.iter().map(|id| line("taskCreate", json!({ "id": id, "projectId": project, "title": "Asia/Kolkata" }))));
    lines.push(line("projectUpdate", json!({ "id": project, "timeZone": "Asia/Kolkata" })));
    lines.extend(late.iter().map(|id| line("taskSetDue", json!({ "id": id, "due": { "date": "2031-05-01" } }))));
    lines.push(line("projectUpdate", json!({ "id": project, "timeZone": "UTC" })));
    let file = folder.file("zones.ndjson", file_of(&lines));
    done(milepost(&["import", &file, "--workspace", WORKSPACE], &[("DATABASE_URL", &database.url)]).await);

    let dues: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
        "SELECT created.payload::jsonb #>> '{task_created,title}', (coalesce(dated.payload::jsonb #>> '{task_due_date_changed,to,at}', \
           created.payload::jsonb #>> '{task_created,due,at}'))::timestamptz FROM milepost.events created \
         LEFT JOIN milepost.events dated ON dated.aggregate_id = created.aggregate_id AND dated.event_type = 'task_due_date_changed' \
         WHERE created.event_type = 'task_created'",
    )
    .fetch_all(&database.pool().await)
    .await
    .expect("the log can be read");
    assert_eq!(dues.len(), (ZONES.len() + 1) * TASKS);
    let day = NaiveDate::from_ymd_opt(2031, 5, 1).expect("a day");
    for (zone, due) in dues {
        assert_eq!(due, Due::on(day, parse_zone(&zone).expect("a zone")).at.utc(), "{zone}");
    }
}
