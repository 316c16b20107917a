//! Events as the log returns them, written as they are stored, and rows folded from them.

use crate::model::{ReadModel, Rows};
use chrono::{DateTime, Utc};
use domain::event::{AggregateType, Event, Metadata, Recorded};
use domain::ids::{ProjectId, UserId, WorkspaceId};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

pub(crate) const HERE: WorkspaceId = WorkspaceId(Uuid::from_u128(1));
pub(crate) const ANNA: UserId = UserId(Uuid::from_u128(0xA11A));
pub(crate) const BEN: UserId = UserId(Uuid::from_u128(0xBE11));
pub(crate) const APOLLO: ProjectId = ProjectId(Uuid::from_u128(0xA701));
pub(crate) const BORA: ProjectId = ProjectId(Uuid::from_u128(0xB07A));
pub(crate) const TASK: Uuid = Uuid::from_u128(0x7A51);
pub(crate) const OTHER_TASK: Uuid = Uuid::from_u128(0x7A52);
pub(crate) const SCHEDULE: Uuid = Uuid::from_u128(0x5C01);

/// A sequence of events, a minute apart.
#[derive(Default)]
pub(crate) struct Story {
    events: Vec<Recorded>,
}

impl Story {
    /// Then this happened to a task of APOLLO.
    pub(crate) fn task(self, id: Uuid, name: &str, body: Value) -> Self {
        self.then(AggregateType::Task, id, name, body, Some(APOLLO))
    }

    /// Then this happened to a project.
    pub(crate) fn project(self, id: ProjectId, name: &str, body: Value) -> Self {
        self.then(AggregateType::Project, id.0, name, body, Some(id))
    }

    /// Then this happened to the schedule.
    pub(crate) fn schedule(self, name: &str, body: Value) -> Self {
        self.then(AggregateType::Schedule, SCHEDULE, name, body, None)
    }

    /// Appends an event; `project` is the one in its metadata.
    pub(crate) fn then(mut self, kind: AggregateType, id: Uuid, name: &str, body: Value, project: Option<ProjectId>) -> Self {
        let (event_version, payload) = (Event::newest_version(name).to_string(), json!({ name: body }).to_string());
        let event = Event::decode(kind.word(), name, &event_version, &payload).expect("it reads as a stored event");
        self.events.push(self.recorded(id, event, project));
        self
    }

    /// An event as the log returns it after these; `project` is the one in its metadata.
    fn recorded(&self, id: Uuid, event: Event, project: Option<ProjectId>) -> Recorded {
        let position = self.events.len() as i64 + 1;
        let version = self.events.iter().filter(|event| event.aggregate_id == id).count() as i64 + 1;
        let metadata = Metadata {
            occurred_at: minute(position).into(),
            actor: ANNA,
            command_id: None,
            correlation_id: Uuid::nil(),
            causation_id: None,
            traceparent: None,
            project_id: project,
        };
        let event_id = Uuid::from_u128(position as u128);
        let recorded_at = minute(position);
        Recorded { position, workspace_id: HERE, aggregate_id: id, version, event_id, recorded_at, metadata, event }
    }

    /// The rows of a read model after all that.
    pub(crate) fn rows<M: ReadModel>(&self) -> Rows<M> {
        let types = M::event_types();
        let mut rows = Rows::default();
        self.events.iter().filter(|event| types.contains(&event.event.name())).for_each(|event| rows.apply(event));
        rows
    }

    /// The row with a key after all that.
    pub(crate) fn row<M: ReadModel>(&self, key: M::Key) -> Option<M::Row> {
        self.rows::<M>().rows().get(&key).cloned()
    }

    /// The last event.
    pub(crate) fn last(&self) -> &Recorded {
        self.events.last().expect("something happened")
    }
}

/// Every stored shape of every event, as it happens to a task of APOLLO, to APOLLO or to the schedule.
pub(crate) fn goldens() -> Vec<Recorded> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/events"));
    let files = |of: AggregateType| fs::read_dir(folder.join(of.word())).expect("a folder for each aggregate");
    let files = AggregateType::ALL.into_iter().flat_map(|of| files(of).map(move |file| (of, file.expect("a file").path())));
    let golden = |(of, path): (AggregateType, PathBuf)| {
        let mut name = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8").split('.');
        let (event_type, version) = (name.next().expect("an event"), name.next().expect("a version"));
        let payload = fs::read_to_string(&path).expect("files can be read");
        let event = Event::decode(of.word(), event_type, version, &payload).expect("a golden is an event");
        Story::default().recorded(TASK, event, Some(APOLLO))
    };
    files.map(golden).collect()
}

/// The time of the event at a position.
pub(crate) fn minute(position: i64) -> DateTime<Utc> {
    at("2031-03-01T12:00:00Z") + chrono::TimeDelta::minutes(position)
}

pub(crate) fn at(moment: &str) -> DateTime<Utc> {
    moment.parse().expect("an RFC 3339 instant")
}

/// Due at an instant, as stored.
pub(crate) fn due(moment: &str) -> Value {
    json!({ "at": moment, "time_zone": "UTC" })
}

/// The creation of a task of APOLLO, with everything set.
pub(crate) fn task_created(number: u32) -> Value {
    json!({
        "number": number, "workspace_id": HERE, "project_id": APOLLO, "project_key": "APOLLO", "title": "Paint the hall",
        "description": "White, twice.", "priority": "high", "category": "rooms", "tags": ["hall", "paint"], "assignee_ids": [BEN],
        "due": { "at": "2031-03-31T22:00:00Z", "date": "2031-03-31", "time_zone": "Europe/Zurich" }, "estimate_minutes": 240,
        "created_at": "2031-03-01T12:00:00Z",
    })
}

/// The move of a task from APOLLO to BORA.
pub(crate) fn task_moved(status: &str) -> Value {
    json!({
        "number": 4, "project_id": BORA, "project_key": "BORA", "from_number": 7, "from_project_id": APOLLO, "from_project_key": "APOLLO",
        "status": status,
    })
}

/// The creation of a project with a key.
pub(crate) fn project_created(key: &str) -> Value {
    json!({
        "workspace_id": HERE, "key": key, "name": "A project", "description": "", "start_on": null, "due_on": "2031-12-31",
        "time_zone": "Europe/Zurich", "owner_id": ANNA,
    })
}
