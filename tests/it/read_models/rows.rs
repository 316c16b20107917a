//! Random rows of the task list, put there as they are, and what queries must answer by rules of their own.

use super::{core, projection};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::ids::{ProjectId, TaskId, UserId, WorkspaceId};
use domain::task::Status;
use domain::values::{Due, Priority};
use projections::querying::page::{Page, Window};
use projections::running::rows::save;
use projections::task_list::{
    TaskFilter, TaskList, TaskRow, TaskSelection, TaskSort, TaskSortField, TaskView, list_tasks, priority_number,
};
use server::wire::Core;
use sqlx::PgPool;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use tests::database::TestDatabase;
use tests::dice::Dice;
use uuid::Uuid;

/// The moment at which rows are overdue or not.
pub(super) fn now() -> DateTime<Utc> {
    "2031-03-10T12:00:00Z".parse().expect("an instant")
}

pub(super) fn moments() -> [DateTime<Utc>; 5] {
    [-100, -1, 0, 1, 100].map(|hours| now() + TimeDelta::hours(hours))
}

pub(super) const TITLES: [&str; 9] = ["Paint", "paint 100%", "under_score", "Größe", "GRÖSSE", "back\\slash", "Ärger 🚀", "a", "b%_"];
pub(super) const TAGS: [&str; 6] = ["home", "a,b", "x\\y", "\"", "größe", "{}"];
pub(super) const CATEGORIES: [&str; 4] = ["", "rooms", "Rooms", "100%"];
pub(super) const DESCRIPTIONS: [&str; 4] = ["", "White, twice.", "größer als 5_5", "50% off\nnext line"];

/// The people and projects that rows name.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) workspace: WorkspaceId,
    pub(super) people: [Uuid; 3],
    pub(super) projects: [Uuid; 3],
}

/// A task list of one version, with nobody who keeps it.
pub(super) struct List {
    pub(super) database: TestDatabase,
    pub(super) core: Core,
    pub(super) names: Names,
    pub(super) rows: BTreeMap<TaskId, TaskRow>,
    numbers: i32,
}

impl List {
    pub(super) async fn new(dice: &mut Dice) -> Self {
        let database = TestDatabase::new().await;
        let core = core(&database).await;
        for name in ["task_list", "project_overview", "schedules"] {
            projection(name).prepare(&core.run_context).await.expect("it can be prepared");
        }
        let names = Names {
            workspace: WorkspaceId(dice.uuid()),
            people: [dice.uuid(), dice.uuid(), dice.uuid()],
            projects: [dice.uuid(), dice.uuid(), dice.uuid()],
        };
        Self { database, core, names, rows: BTreeMap::new(), numbers: 0 }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.core.database.service
    }

    /// A row like no other, and like many.
    pub(super) fn random(&mut self, dice: &mut Dice) -> TaskRow {
        self.numbers += 1;
        let project = dice.below(3);
        let optional = |dice: &mut Dice, from: &[&str]| from[dice.below(from.len())].to_owned();
        let due = dice.percent(60).then(|| Due::at((*dice.one_of(&moments())).into(), Tz::UTC));
        let category = optional(dice, &CATEGORIES);
        let mut tags: Vec<String> = (0..dice.below(3)).map(|_| optional(dice, &TAGS)).collect();
        tags.dedup();
        let mut assignee_ids: Vec<UserId> = self.names.people.iter().copied().map(UserId).collect();
        assignee_ids.retain(|_| dice.percent(40));
        TaskRow {
            id: TaskId(dice.uuid()),
            workspace_id: self.names.workspace,
            project_id: ProjectId(self.names.projects[project]),
            project_key: format!("PRJ{project}"),
            number: self.numbers / 3 + 1,
            former_keys: vec![],
            title: optional(dice, &TITLES),
            description: optional(dice, &DESCRIPTIONS),
            status: *dice.one_of(&Status::ALL),
            blocked_reason: None,
            priority: *dice.one_of(&[Priority::Critical, Priority::High, Priority::Medium, Priority::Low]),
            category: (!category.is_empty()).then_some(category),
            tags,
            assignee_ids,
            due,
            estimate_minutes: None,
            created_by: UserId(self.names.people[0]),
            created_at: *dice.one_of(&moments()),
            updated_at: *dice.one_of(&moments()),
            completed_at: None,
            time_to_complete_ms: None,
            version: 1,
            hidden: false,
        }
    }

    /// Writes rows as a batch would.
    pub(super) async fn write(&mut self, rows: Vec<TaskRow>) {
        let mut connection = self.core.run_context.pool.acquire().await.expect("a connection");
        let keyed: Vec<_> = rows.into_iter().map(|row| (row.id, row)).collect();
        save::<TaskList>(&mut connection, 1, &keyed).await.expect("rows are stored");
        self.rows.extend(keyed);
    }

    /// That many more rows. A number is not given twice in a project.
    pub(super) async fn fill(&mut self, dice: &mut Dice, count: usize) {
        let mut taken: Vec<(String, i32)> = self.rows.values().map(|row| (row.project_key.clone(), row.number)).collect();
        let mut rows = vec![];
        while rows.len() < count {
            let row = self.random(dice);
            let key = (row.project_key.clone(), row.number);
            if !taken.contains(&key) {
                taken.push(key);
                rows.push(row);
            }
        }
        self.write(rows).await;
    }

    /// The rows that a list must have, in its order.
    pub(super) fn expected(&self, filter: &TaskFilter, sort: &[TaskSort]) -> Vec<TaskRow> {
        let mut rows: Vec<_> = self.rows.values().filter(|row| !row.hidden && holds(filter, row)).cloned().collect();
        rows.sort_by(|a, b| order(sort, a, b));
        rows
    }

    pub(super) async fn page(&self, filter: &TaskFilter, sort: &[TaskSort], window: &Window) -> Page<TaskView> {
        let selection = TaskSelection::default();
        list_tasks(self.pool(), self.names.workspace, filter, sort, window, selection, now()).await.expect("the list can be read")
    }

    pub(super) async fn close(self) {
        let Self { core, database, .. } = self;
        core.close().await;
        drop(database);
    }
}

/// The order of a list, as the contract has it: nulls last either way, ties by id.
pub(super) fn order(sort: &[TaskSort], a: &TaskRow, b: &TaskRow) -> Ordering {
    let default = [TaskSort { field: TaskSortField::Created, descending: false }];
    let sort = if sort.is_empty() { &default } else { sort };
    let directed = |ordering: Ordering, descending: bool| if descending { ordering.reverse() } else { ordering };
    for level in sort {
        let ordering = match level.field {
            TaskSortField::Number => directed(a.number.cmp(&b.number), level.descending),
            TaskSortField::Created => directed(a.created_at.cmp(&b.created_at), level.descending),
            TaskSortField::Updated => directed(a.updated_at.cmp(&b.updated_at), level.descending),
            TaskSortField::Priority => directed(a.priority.cmp(&b.priority), level.descending),
            TaskSortField::Title => directed(a.title.chars().cmp(b.title.chars()), level.descending),
            TaskSortField::Due => match (a.due, b.due) {
                (Some(a), Some(b)) => directed(a.at.cmp(&b.at), level.descending),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            },
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    directed(a.id.cmp(&b.id), sort[sort.len() - 1].descending)
}

use projections::querying::filter::{Comparator, TextComparator, TimeComparator};

fn one<T: PartialEq>(by: &Comparator<T>, value: Option<&T>) -> bool {
    by.eq.iter().all(|eq| value == Some(eq))
        && by.ne.iter().all(|ne| value != Some(ne))
        && by.within.iter().all(|list| value.is_some_and(|value| list.contains(value)))
        && by.not_within.iter().all(|list| !value.is_some_and(|value| list.contains(value)))
        && by.is_null.iter().all(|is_null| value.is_none() == *is_null)
}

fn any<T: PartialEq>(by: &Comparator<T>, values: &[T]) -> bool {
    by.eq.iter().all(|eq| values.contains(eq))
        && by.ne.iter().all(|ne| !values.contains(ne))
        && by.within.iter().all(|list| values.iter().any(|value| list.contains(value)))
        && by.not_within.iter().all(|list| !values.iter().any(|value| list.contains(value)))
        && by.is_null.iter().all(|is_null| values.is_empty() == *is_null)
}

fn text(by: &TextComparator, value: Option<&String>) -> bool {
    one(&by.basic, value)
        && by.contains.iter().all(|part| value.is_some_and(|value| value.contains(part)))
        && by.starts_with.iter().all(|start| value.is_some_and(|value| value.starts_with(start)))
}

fn texts(by: &TextComparator, values: &[String]) -> bool {
    any(&by.basic, values)
        && by.contains.iter().all(|part| values.iter().any(|value| value.contains(part)))
        && by.starts_with.iter().all(|start| values.iter().any(|value| value.starts_with(start)))
}

fn time(by: &TimeComparator, value: Option<DateTime<Utc>>) -> bool {
    by.lt.iter().all(|at| value.is_some_and(|value| value < *at))
        && by.lte.iter().all(|at| value.is_some_and(|value| value <= *at))
        && by.gt.iter().all(|at| value.is_some_and(|value| value > *at))
        && by.gte.iter().all(|at| value.is_some_and(|value| value >= *at))
        && by.is_null.iter().all(|is_null| value.is_none() == *is_null)
}

/// Whether a filter holds of a row.
pub(super) fn holds(filter: &TaskFilter, row: &TaskRow) -> bool {
    let due = row.due.map(|due| due.at.utc());
    let closed = matches!(row.status, Status::Done | Status::Cancelled);
    let overdue = !closed && due.is_some_and(|due| due <= now());
    let assignees: Vec<Uuid> = row.assignee_ids.iter().map(|person| person.0).collect();
    let searched = [&row.title, &row.description, &row.key()].map(|text| text.to_lowercase());
    let found = |word: &str| searched.iter().any(|text| text.contains(&word.to_lowercase()));
    filter.and.iter().all(|every| holds(every, row))
        && filter.or.iter().all(|some| some.iter().any(|one| holds(one, row)))
        && filter.not.iter().all(|not| !holds(not, row))
        && one(&filter.project_id, Some(&row.project_id.0))
        && one(&filter.status, Some(&row.status.word().to_owned()))
        && one(&filter.priority, Some(&priority_number(row.priority)))
        && any(&filter.assignee_id, &assignees)
        && text(&filter.category, row.category.as_ref())
        && texts(&filter.tag, &row.tags)
        && text(&filter.title, Some(&row.title))
        && time(&filter.due_at, due)
        && time(&filter.created_at, Some(row.created_at))
        && time(&filter.updated_at, Some(row.updated_at))
        && filter.is_overdue.iter().all(|wanted| overdue == *wanted)
        && filter.text.iter().all(|text| text.split_whitespace().all(found))
}
