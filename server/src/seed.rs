//! The demo workspace: three projects in the middle of their work, made of ordinary commands.
//!
//! All times are relative to the time of seeding, so some tasks are always overdue and some are due soon.

use application::Application;
use application::caller::{Caller, Circumstances, Role, Source};
use application::command::Command;
use application::error::CommandError;
use application::inputs::{
    DueInput, ProjectCollaboratorInput, ProjectCreateInput, ScheduleCreateInput, TaskAssigneeInput, TaskChangeStatusInput,
    TaskCommentInput, TaskCreateInput, TaskInput, ThresholdInput, Wire,
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{UserId, WorkspaceId, derived};
use domain::task::Status;
use domain::values::{CollaboratorRole, Priority, ThresholdUnit};
use uuid::Uuid;

/// The workspace of the demo.
pub const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::from_u128(0x6d69_6c65_706f_5374_8000_6465_6d6f_0001));

/// People of the demo. Names are for readers of this file; events know ids only.
const PEOPLE: [&str; 6] = ["ada", "bruno", "chen", "dilara", "emeka", "freja"];

/// A user of the demo.
pub fn person(name: &str) -> UserId {
    UserId(derived(&["demo", "person", name]))
}

/// A project of the demo: key, name, description, zone, and tasks.
struct Project {
    key: &'static str,
    name: &'static str,
    about: &'static str,
    zone: &'static str,
    tasks: &'static [Task],
}

/// A task of the demo: title, tag, priority, status, and days until it is due.
type Task = (&'static str, &'static str, Priority, Status, Option<i64>);

use Priority::{Critical, High, Low, Medium};
use Status::{Blocked, Cancelled, Done, InProgress, InReview, Todo};

const PROJECTS: [Project; 3] = [
    Project {
        key: "WEB",
        name: "Website relaunch",
        about: "The shop's site is ten years old. A new one by the end of the quarter, with half the pages and twice the speed.",
        zone: "Europe/Zurich",
        tasks: &[
            ("Agree on what the home page is for", "content", High, Done, None),
            ("Count which pages are read", "analysis", Medium, Done, None),
            ("Write the pages that stay", "content", High, InProgress, Some(6)),
            ("Photographs of the workshop", "content", Medium, InReview, Some(2)),
            ("Choose two typefaces", "design", Low, Done, None),
            ("Colour contrast for everybody", "design", High, InProgress, Some(1)),
            ("Design of the product page", "design", Critical, InReview, Some(-1)),
            ("Design of the basket", "design", High, Todo, Some(9)),
            ("Templates for articles", "frontend", Medium, InProgress, None),
            ("Search that forgives typing errors", "frontend", Medium, Todo, None),
            ("Forms that work without scripts", "frontend", High, Todo, Some(12)),
            ("Images in sizes that fit the screen", "frontend", Medium, Todo, None),
            ("Move the product data", "backend", Critical, Blocked, Some(-3)),
            ("Addresses of old pages lead to new ones", "backend", High, Todo, Some(14)),
            ("Backups that were restored once", "operations", Critical, Done, None),
            ("Certificate that renews itself", "operations", High, Done, None),
            ("Pages in French", "content", Low, Todo, None),
            ("Newsletter sign-up", "frontend", Low, Cancelled, None),
            ("Load test with last December's traffic", "operations", High, Todo, Some(18)),
            ("Measure how fast the first page comes", "analysis", Medium, Todo, Some(3)),
            ("Privacy notice that people can read", "content", High, InReview, Some(4)),
            ("Go live", "release", Critical, Todo, Some(21)),
        ],
    },
    Project {
        key: "APP",
        name: "Delivery app",
        about: "Drivers see their round, tick off stops and photograph parcels, with or without a network.",
        zone: "America/New_York",
        tasks: &[
            ("Ride along for a day", "research", High, Done, None),
            ("Sketch the round on paper", "design", Medium, Done, None),
            ("List of stops, big enough for gloves", "design", High, Done, None),
            ("Sign in with the badge", "client", High, InReview, Some(1)),
            ("Round of the day, kept on the phone", "client", Critical, InProgress, Some(5)),
            ("Tick off a stop without a network", "client", Critical, InProgress, Some(5)),
            ("Photograph of the parcel at the door", "client", Medium, Todo, Some(10)),
            ("Signature with a finger", "client", Medium, Todo, None),
            ("Send what was kept once there is a network", "client", Critical, Todo, Some(7)),
            ("Map without a network", "client", Low, Blocked, None),
            ("Rounds from the planning system", "server", High, InProgress, Some(3)),
            ("Tell the customer: three stops to go", "server", Medium, Todo, None),
            ("Addresses that are not on any map", "server", Medium, Todo, None),
            ("One round, two drivers", "server", Low, Todo, None),
            ("Battery lasts a whole shift", "quality", High, Todo, Some(11)),
            ("Try it in the cellar of the depot", "quality", Medium, Todo, Some(-2)),
            ("Crash reports without personal data", "quality", High, Done, None),
            ("Pilot with five drivers", "release", Critical, Todo, Some(16)),
            ("Voice input", "client", Low, Cancelled, None),
            ("Teach the dispatchers", "release", Medium, Todo, Some(20)),
        ],
    },
    Project {
        key: "MOVE",
        name: "Office move",
        about: "From the third floor to the old mill, over one weekend, and on Monday everything works.",
        zone: "Asia/Tokyo",
        tasks: &[
            ("Measure the rooms", "planning", Medium, Done, None),
            ("Who sits where", "planning", High, InReview, Some(2)),
            ("Three offers from movers", "contracts", High, Done, None),
            ("Sign the mover's contract", "contracts", Critical, Todo, Some(-1)),
            ("Give notice for the old rooms", "contracts", Critical, Done, None),
            ("Insurance for the day", "contracts", Medium, Todo, Some(8)),
            ("Fibre into the mill", "network", Critical, Blocked, Some(4)),
            ("Wireless that reaches the courtyard", "network", Medium, Todo, None),
            ("Label every cable", "network", Low, InProgress, None),
            ("Chairs: keep, give away, throw out", "furniture", Low, InProgress, Some(6)),
            ("Tables for the kitchen", "furniture", Low, Todo, None),
            ("Plants travel separately", "furniture", Low, Todo, None),
            ("New address on everything printed", "communication", Medium, Todo, Some(13)),
            ("Tell the suppliers", "communication", Medium, Todo, Some(9)),
            ("Tell the neighbours", "communication", Low, Done, None),
            ("Keys and badges", "security", High, Todo, Some(5)),
            ("Alarm that does not ring at the cat", "security", Medium, Todo, None),
            ("Boxes, two hundred", "moving", Medium, Done, None),
            ("Pack what is not needed before Friday", "moving", Medium, Todo, Some(3)),
            ("Server room, in the right order", "moving", Critical, Todo, Some(7)),
            ("Lunch for forty", "moving", Low, Todo, Some(7)),
        ],
    },
];

/// When the projects of the demo were created.
const PROJECTS_CREATED_DAYS_AGO: f64 = 40.0;

fn days(days: f64) -> TimeDelta {
    TimeDelta::minutes((days * 24.0 * 60.0) as i64)
}

/// Sends commands as a user, at a time in the past.
struct Story<'a> {
    application: &'a Application,
    now: DateTime<Utc>,
}

impl Story<'_> {
    async fn send(&self, who: usize, days_ago: f64, mut command: Command, words: &[&str]) -> Result<(), CommandError> {
        command.set_command_id(Some(derived(&[&["demo", command.name()], words].concat())));
        let caller = Caller { actor: person(PEOPLE[who % PEOPLE.len()]), workspace: WORKSPACE, role: Role::Owner };
        let how = Circumstances {
            caller,
            source: Source::Import,
            at: Some(self.now - days(days_ago)),
            correlation_id: self.application.new_id(),
            causation_id: None,
            traceparent: None,
        };
        self.application.execute(how, command).await.map(|_| ())
    }

    async fn project(&self, index: usize, project: &Project) -> Result<(), CommandError> {
        let id = derived(&["demo", "project", project.key]);
        let today = self.now.date_naive();
        let begin = ProjectCreateInput {
            id: Some(id),
            key: project.key.to_owned(),
            name: project.name.to_owned(),
            description: Some(project.about.to_owned()),
            start_on: Some(today - TimeDelta::days(40)),
            due_on: Some(today + TimeDelta::days(30)),
            time_zone: Some(project.zone.to_owned()),
            command_id: None,
        };
        self.send(index, PROJECTS_CREATED_DAYS_AGO, Command::ProjectCreate(begin), &[project.key]).await?;
        for step in 1..4 {
            let (user_id, expected_version) = (person(PEOPLE[(index + step) % PEOPLE.len()]).0, None);
            let role = Wire([CollaboratorRole::Manager, CollaboratorRole::Editor, CollaboratorRole::Viewer][step - 1]);
            let join = ProjectCollaboratorInput { command_id: None, expected_version, id, user_id, role };
            self.send(index, 39.5, Command::ProjectCollaboratorAdd(join), &[project.key, &step.to_string()]).await?;
        }
        for (number, task) in project.tasks.iter().enumerate() {
            self.task(index + number, project, id, number, task).await?;
        }
        self.milestones(index, project, id).await
    }

    async fn task(&self, who: usize, project: &Project, project_id: Uuid, number: usize, task: &Task) -> Result<(), CommandError> {
        let (title, tag, priority, status, due_in_days) = *task;
        let words = [project.key, title];
        let id = derived(&["demo", "task", project.key, title]);
        let created_days_ago = 38.0 - number as f64 * 1.3;
        // Half of the due times are days, half are instants, some only minutes away.
        let due = due_in_days.map(|days| match number % 2 {
            0 => DueInput { date: Some((self.now + TimeDelta::days(days)).date_naive()), at: None, time_zone: None },
            _ => DueInput { date: None, at: Some((self.now + TimeDelta::days(days) + TimeDelta::minutes(7)).into()), time_zone: None },
        });
        let create = TaskCreateInput {
            id: Some(id),
            project_id,
            title: title.to_owned(),
            priority: Some(Wire(priority)),
            category: Some(tag.to_owned()),
            tags: Some(vec![tag.to_owned(), project.key.to_lowercase()]),
            assignee_ids: (number % 3 != 2).then(|| vec![person(PEOPLE[(who + 1) % PEOPLE.len()]).0]),
            due,
            estimate_minutes: Some(60 * (1 + number as i64 % 8)),
            ..TaskCreateInput::default()
        };
        self.send(who, created_days_ago, Command::TaskCreate(create), &words).await?;
        if number % 4 == 1 {
            let body = "Started looking into it; the notes are in the shared folder.".to_owned();
            self.send(who + 2, created_days_ago - 0.4, Command::TaskComment(TaskCommentInput { command_id: None, id, body }), &words)
                .await?;
        }
        if number % 5 == 3 && status != Done {
            let assign =
                TaskAssigneeInput { command_id: None, expected_version: None, id, user_id: person(PEOPLE[(who + 3) % PEOPLE.len()]).0 };
            self.send(who, created_days_ago - 0.6, Command::TaskAssign(assign), &words).await?;
        }
        let change = |to, reason: Option<&str>| {
            let blocked_reason = reason.map(str::to_owned);
            Command::TaskChangeStatus(TaskChangeStatusInput {
                command_id: None,
                expected_version: None,
                id,
                status: Wire(to),
                blocked_reason,
            })
        };
        match status {
            Todo => Ok(()),
            Done => {
                self.send(who + 1, created_days_ago - 1.0, change(InProgress, None), &words).await?;
                let complete = Command::TaskComplete(TaskInput { command_id: None, expected_version: None, id });
                self.send(who + 1, created_days_ago - 3.5, complete, &words).await
            }
            Blocked => {
                self.send(who + 1, created_days_ago - 2.0, change(Blocked, Some("waiting for an answer from outside")), &words).await
            }
            other => self.send(who + 1, created_days_ago - 1.5, change(other, None), &words).await,
        }
    }

    async fn milestones(&self, who: usize, project: &Project, project_id: Uuid) -> Result<(), CommandError> {
        let near =
            [ThresholdInput { amount: 7, unit: Wire(ThresholdUnit::Days) }, ThresholdInput { amount: 1, unit: Wire(ThresholdUnit::Hours) }];
        let moments =
            [("First review", -5 * 24 * 60), ("Look at what is left", 3), ("Demonstration", 2 * 24 * 60), ("The last day", 30 * 24 * 60)];
        for (title, minutes) in moments {
            let create = ScheduleCreateInput {
                command_id: None,
                id: Some(derived(&["demo", "schedule", project.key, title])),
                project_id: Some(project_id),
                task_id: None,
                title: title.to_owned(),
                due: DueInput { date: None, at: Some((self.now + TimeDelta::minutes(minutes)).into()), time_zone: None },
                thresholds: (title == "The last day").then(|| near.to_vec()),
            };
            self.send(who, 37.0, Command::ScheduleCreate(create), &[project.key, title]).await?;
        }
        Ok(())
    }
}

/// The time of the first seeding, if any: with another time, its commands would be other commands.
async fn first_seeded(application: &Application) -> Result<Option<DateTime<Utc>>, CommandError> {
    let created = application.log().stream_after(derived(&["demo", "project", PROJECTS[0].key]), 0).await?;
    Ok(created.first().map(|created| created.metadata.occurred_at.utc() + days(PROJECTS_CREATED_DAYS_AGO)))
}

/// Creates the demo workspace. A second run continues after an interruption, or changes nothing.
pub async fn seed(application: &Application) -> Result<(), CommandError> {
    let story = Story { application, now: first_seeded(application).await?.unwrap_or_else(|| application.clock().now()) };
    for (index, project) in PROJECTS.iter().enumerate() {
        story.project(index, project).await?;
    }
    Ok(())
}
