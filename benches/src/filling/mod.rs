//! Long logs, quickly: events that the domain decided and encoded, written in bulk.

mod story;
mod writer;

pub(crate) use story::{Filled, tasks, title};

use crate::stand::connect;
use anyhow::Result;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::event::{Event, Metadata};
use domain::ids::{UserId, WorkspaceId};
use domain::schedule::{Place, ScheduleCreated, ScheduleEvent, Subject};
use domain::values::{Due, Thresholds, Title};
use uuid::Uuid;
use writer::Writer;

/// Milestones due at given moments, each with the usual warning. Only into an empty log.
pub(crate) async fn schedules(database_url: &str, due: impl IntoIterator<Item = DateTime<Utc>>) -> Result<()> {
    let pool = connect(database_url, 1).await?;
    let workspace = WorkspaceId(Uuid::now_v7());
    let mut writer = Writer::new(&pool, workspace, Utc::now());
    for (number, at) in due.into_iter().enumerate() {
        let due = Due::at(at.into(), Tz::UTC);
        let created = ScheduleCreated {
            workspace_id: workspace,
            subject: Subject::Milestone,
            place: Place::default(),
            title: Title::new(format!("Milestone {number}"))?,
            due,
            due_revision: 1,
            thresholds: Thresholds::default().resolve(&due),
            project_at_rest: false,
        };
        let event = Event::Schedule(ScheduleEvent::ScheduleCreated(Box::new(created)));
        writer.put(Uuid::now_v7(), 1, &event, &metadata(UserId(workspace.0))).await?;
    }
    writer.finish().await?;
    sqlx::raw_sql("VACUUM ANALYZE milepost.events").execute(&pool).await?;
    Ok(())
}

/// The circumstances of an event of a client.
pub(crate) fn metadata(actor: UserId) -> Metadata {
    Metadata {
        occurred_at: Utc::now().into(),
        actor,
        command_id: Some(Uuid::now_v7()),
        correlation_id: Uuid::now_v7(),
        causation_id: None,
        traceparent: None,
        project_id: None,
    }
}
