//! A page stays right while rows come, go and move; a cursor that was not given out for a list is refused.

use super::filters::sort;
use super::rows::{List, order};
use chrono::{DateTime, Utc};
use domain::ids::{TaskId, WorkspaceId};
use projections::querying::error::QueryError;
use projections::querying::page::Window;
use projections::task_list::{TaskFilter, TaskRow, TaskSelection, TaskSort, TaskSortField, list_tasks};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use tests::app::TestApp;
use tests::dice::Dice;

/// Changes some rows other than those that must stay: new ones, hidden ones, ones that move in the order.
async fn disturb(list: &mut List, dice: &mut Dice, stay: &BTreeSet<TaskId>) {
    let fresh = dice.below(4);
    list.fill(dice, fresh).await;
    let loose: Vec<TaskRow> = list.rows.values().filter(|row| !row.hidden && !stay.contains(&row.id)).cloned().collect();
    let mut changed = vec![];
    for row in loose {
        let other = list.random(dice);
        match dice.below(10) {
            0..=1 => changed.push(TaskRow { hidden: true, ..row }),
            2..=3 => changed.push(TaskRow { id: row.id, number: row.number, project_key: row.project_key.clone(), ..other }),
            _ => {}
        }
    }
    list.write(changed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_rows_come_and_go_pages_skip_nothing_and_repeat_nothing() {
    let mut dice = Dice::thrown();
    for backward in [false, true, false, true, false, true] {
        let mut list = List::new(&mut dice).await;
        list.fill(&mut dice, 60).await;
        let stay: BTreeSet<TaskId> = list.rows.keys().copied().filter(|_| dice.percent(50)).collect();
        let sort = sort(&mut dice);
        let (mut seen, mut last): (Vec<TaskRow>, Option<(TaskRow, String)>) = (vec![], None);
        loop {
            let limit = 1 + dice.below(7);
            let cursor = last.as_ref().map(|(_, cursor)| cursor.clone());
            let (after, before) = if backward { (None, cursor) } else { (cursor, None) };
            let page = list.page(&TaskFilter::default(), &sort, &Window { limit, backward, after, before, total: false }).await;
            // What is there now, beyond the last row as it was when it was seen.
            let mut beyond = list.expected(&TaskFilter::default(), &sort);
            if backward {
                beyond.reverse();
            }
            let side = if backward { Ordering::Less } else { Ordering::Greater };
            beyond.retain(|row| last.as_ref().is_none_or(|(last, _)| order(&sort, row, last) == side));
            let more = beyond.len() > limit;
            beyond.truncate(limit);
            let mut rows = page.rows;
            if backward {
                rows.reverse();
            }
            let found: Vec<TaskRow> = rows.iter().map(|(view, _)| view.task.clone()).collect();
            assert!(found == beyond, "a page is wrong: {sort:?}");
            assert_eq!(if backward { page.has_previous } else { page.has_next }, more);
            last = rows.last().map(|(view, place)| (view.task.clone(), place.cursor())).or(last);
            seen.extend(found);
            if !more {
                break;
            }
            disturb(&mut list, &mut dice, &stay).await;
        }
        let stayed: Vec<TaskId> = seen.iter().map(|row| row.id).filter(|id| stay.contains(id)).collect();
        assert_eq!(stayed.len(), stay.len(), "rows that stayed were skipped or repeated");
        assert_eq!(stayed.into_iter().collect::<BTreeSet<_>>(), stay);
        list.close().await;
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(cursor: &str) -> Value {
    let bytes: Vec<u8> =
        (0..cursor.len()).step_by(2).map(|at| u8::from_str_radix(&cursor[at..at + 2], 16).expect("a cursor is in hexadecimal")).collect();
    serde_json::from_slice(&bytes).expect("a cursor holds JSON")
}

/// A cursor with something in it changed.
fn forged(cursor: &str, place: &str, value: Value) -> String {
    let mut inside = unhex(cursor);
    *inside.pointer_mut(place).expect("there is such a place") = value;
    hex(&inside.to_string())
}

async fn first_cursor(list: &List, sort: &[TaskSort]) -> String {
    let page = list.page(&TaskFilter::default(), sort, &Window { limit: 3, ..Window::default() }).await;
    page.rows[0].1.cursor()
}

const BY_DUE: [TaskSort; 2] =
    [TaskSort { field: TaskSortField::Due, descending: false }, TaskSort { field: TaskSortField::Title, descending: true }];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_of_other_lists_and_made_up_ones_are_refused() {
    let mut dice = Dice::thrown();
    let mut list = List::new(&mut dice).await;
    list.fill(&mut dice, 10).await;
    let good = first_cursor(&list, &BY_DUE).await;
    let other = first_cursor(&list, &[]).await;
    let reversed = first_cursor(&list, &BY_DUE.map(|level| TaskSort { descending: !level.descending, ..level })).await;
    let long_ago: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;
    let bad = [
        String::new(),
        "zz".to_owned(),
        "abc".to_owned(),
        "é".to_owned(),
        "+1".to_owned(),
        hex("{}"),
        hex("null"),
        "42".to_owned(),
        other,
        reversed,
        good[..good.len() - 2].to_owned(),
        format!("{good}00"),
        forged(&good, "/s", json!("+due-title-id+id")),
        forged(&good, "/v", json!([])),
        forged(&good, "/v/0", json!({ "int": 5 })),
        forged(&good, "/v/0", json!({ "text": "2031-01-01" })),
        forged(&good, "/v/0", json!({ "time": long_ago })),
        forged(&good, "/v/1", json!("never")),
        forged(&good, "/v/1", json!({ "text": "nothing\u{0}" })),
        forged(&good, "/v/2", json!({ "text": "no id" })),
        forged(&good, "/v/2", json!({ "int": 5 })),
    ];
    for cursor in bad {
        for backward in [false, true] {
            let cursor = Some(cursor.clone());
            let window = if backward {
                Window { limit: 3, backward, before: cursor.clone(), ..Window::default() }
            } else {
                Window { limit: 3, after: cursor.clone(), ..Window::default() }
            };
            let (pool, workspace, filter) = (list.pool(), list.names.workspace, TaskFilter::default());
            let answer = list_tasks(pool, workspace, &filter, &BY_DUE, &window, TaskSelection::default(), super::rows::now()).await;
            assert!(matches!(answer, Err(QueryError::Cursor(_))), "{cursor:?} gave {answer:?}");
        }
    }
    // The same JSON in another form is the same cursor.
    let spaced = hex(&serde_json::to_string_pretty(&unhex(&good)).expect("JSON"));
    let window = Window { limit: 3, after: Some(spaced), ..Window::default() };
    assert_eq!(list.page(&TaskFilter::default(), &BY_DUE, &window).await.rows.len(), 3);
    list.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_shows_another_workspace_nothing() {
    let mut dice = Dice::thrown();
    let mut list = List::new(&mut dice).await;
    list.fill(&mut dice, 10).await;
    let page = list.page(&TaskFilter::default(), &BY_DUE, &Window { limit: 3, ..Window::default() }).await;
    for (_, place) in page.rows {
        let window = Window { limit: 3, after: Some(place.cursor()), total: true, ..Window::default() };
        let (filter, selection) = (TaskFilter::default(), TaskSelection::default());
        let elsewhere = WorkspaceId(dice.uuid());
        let answer = list_tasks(list.pool(), elsewhere, &filter, &BY_DUE, &window, selection, super::rows::now()).await;
        let answer = answer.expect("it is a cursor like any other");
        assert_eq!((answer.rows.len(), answer.total, answer.has_next), (0, Some(0), false));
    }
    list.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_told_what_is_wrong_with_a_cursor_or_a_text() {
    let app = TestApp::start().await;
    let project = app.client.project().await;
    for title in ["One", "Two", "Three"] {
        app.client.task(&project, title).await;
    }
    app.settled().await;
    let ask = "query($after: String, $sort: [TaskSort!]) { tasks(first: 1, after: $after, sort: $sort) { nodes { title } pageInfo { endCursor } } }";
    let first = app.client.data(ask, json!({ "sort": [{ "field": "TITLE" }] })).await;
    assert_eq!(first["tasks"]["nodes"], json!([{ "title": "One" }]));
    let after = &first["tasks"]["pageInfo"]["endCursor"];
    let next = app.client.data(ask, json!({ "after": after, "sort": [{ "field": "TITLE" }] })).await;
    assert_eq!(next["tasks"]["nodes"], json!([{ "title": "Three" }]));
    let twisted = forged(after.as_str().expect("a cursor"), "/v/0", json!({ "int": 1 }));
    for (cursor, sort) in [
        (after.clone(), json!([])),
        (after.clone(), json!([{ "field": "TITLE", "direction": "DESC" }])),
        (json!(twisted), json!([{ "field": "TITLE" }])),
    ] {
        let answer = app.client.ask(ask, json!({ "after": cursor, "sort": sort })).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], json!("BAD_USER_INPUT"), "{answer:#}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains("cursor does not belong to this list")), "{answer:#}");
    }
    // No stored text holds this character, and PostgreSQL takes it in no question.
    let questions = [
        "query($t: String) { tasks(filter: { text: $t }) { nodes { id } } }",
        "query($t: String) { tasks(filter: { title: { contains: $t } }) { nodes { id } } }",
        "query($t: String!) { tasks(filter: { tag: { in: [$t] } }) { nodes { id } } }",
        "query($t: String) { projects(filter: { text: $t }) { nodes { id } } }",
        "query($t: String) { project(key: $t) { id } }",
    ];
    for question in questions {
        assert_eq!(app.client.error(question, json!({ "t": "a\u{0}b" })).await, "BAD_USER_INPUT", "{question}");
    }
    app.stop().await;
}
