//! Filters and orders of the task list against rules of their own, on random rows; and pages of it, both ways.

use super::rows::{CATEGORIES, List, Names, TAGS, TITLES, moments};
use domain::task::Status;
use projections::querying::filter::{Comparator, TextComparator, TimeComparator};
use projections::querying::page::{Page, Window};
use projections::task_list::{TaskFilter, TaskRow, TaskSort, TaskSortField, TaskView};
use tests::dice::Dice;

/// How something with these values may be compared.
fn comparator<T: Clone>(dice: &mut Dice, values: &[T]) -> Comparator<T> {
    let some = |dice: &mut Dice| (0..dice.below(3)).map(|_| dice.one_of(values).clone()).collect::<Vec<_>>();
    let mut by = Comparator::default();
    match dice.below(5) {
        0 => by.eq = Some(dice.one_of(values).clone()),
        1 => by.ne = Some(dice.one_of(values).clone()),
        2 => by.within = Some(some(dice)),
        3 => by.not_within = Some(some(dice)),
        _ => by.is_null = Some(dice.percent(50)),
    }
    by
}

fn text_comparator(dice: &mut Dice, values: &[&str]) -> TextComparator {
    let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
    let part = |dice: &mut Dice, begin: bool| {
        let chars: Vec<char> = dice.one_of(&values).chars().collect();
        let (from, to) = (if begin { 0 } else { dice.below(chars.len() + 1) }, dice.below(chars.len() + 1));
        chars[from.min(to)..to].iter().collect::<String>()
    };
    let mut by = TextComparator::default();
    match dice.below(3) {
        0 => by.basic = comparator(dice, &values),
        1 => by.contains = Some(part(dice, false)),
        _ => by.starts_with = Some(part(dice, true)),
    }
    by
}

fn time_comparator(dice: &mut Dice) -> TimeComparator {
    let mut by = TimeComparator::default();
    if dice.percent(15) {
        by.is_null = Some(dice.percent(50));
    }
    match dice.below(4) {
        0 => by.lt = Some(*dice.one_of(&moments())),
        1 => by.lte = Some(*dice.one_of(&moments())),
        _ => {}
    }
    match dice.below(4) {
        0 => by.gt = Some(*dice.one_of(&moments())),
        1 => by.gte = Some(*dice.one_of(&moments())),
        _ => {}
    }
    by
}

/// Words to search for, most of them with something that LIKE, arrays or quoting would trip over.
const SEARCHES: [&str; 14] =
    ["PAINT", "100%", "%", "_", "\\", "größe", "GRÖ", "ärger", "🚀", "  twice   white ", "prj1-", "PRJ2-3", "O'Neill", "50% OFF next"];

/// One condition on one field.
fn condition(dice: &mut Dice, names: &Names) -> TaskFilter {
    let mut filter = TaskFilter::default();
    match dice.below(12) {
        0 => filter.project_id = comparator(dice, &names.projects),
        1 => filter.status = comparator(dice, &Status::ALL.map(|status| status.word().to_owned())),
        2 => filter.priority = comparator(dice, &[1, 2, 3, 4]),
        3 => filter.assignee_id = comparator(dice, &names.people),
        4 => filter.category = text_comparator(dice, &CATEGORIES[1..]),
        5 => filter.tag = text_comparator(dice, &TAGS),
        6 => filter.title = text_comparator(dice, &TITLES),
        7 => filter.due_at = time_comparator(dice),
        8 => filter.created_at = time_comparator(dice),
        9 => filter.updated_at = time_comparator(dice),
        10 => filter.is_overdue = Some(dice.percent(50)),
        _ => filter.text = Some((*dice.one_of(&SEARCHES)).to_owned()),
    }
    filter
}

pub(super) fn filter(dice: &mut Dice, names: &Names, depth: usize) -> TaskFilter {
    let mut filter = if dice.percent(70) || depth == 0 { condition(dice, names) } else { TaskFilter::default() };
    if depth > 0 {
        let some = |dice: &mut Dice, least: usize| (0..least + dice.below(3)).map(|_| self::filter(dice, names, depth - 1)).collect();
        match dice.below(6) {
            0 => filter.and = some(dice, 1),
            1 => filter.or = Some(some(dice, 0)),
            2 => filter.not = Some(Box::new(self::filter(dice, names, depth - 1))),
            _ => {}
        }
    }
    filter
}

pub(super) fn sort(dice: &mut Dice) -> Vec<TaskSort> {
    (0..dice.below(4)).map(|_| TaskSort { field: *dice.one_of(&TaskSortField::ALL), descending: dice.percent(50) }).collect()
}

fn tasks(page: &Page<TaskView>) -> Vec<TaskRow> {
    page.rows.iter().map(|(view, _)| view.task.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_and_orders_answer_as_rules_of_their_own() {
    let mut dice = Dice::thrown();
    let mut list = List::new(&mut dice).await;
    list.fill(&mut dice, 120).await;
    let mut some = 0;
    for _ in 0..400 {
        let (filter, sort) = (filter(&mut dice, &list.names, 2), sort(&mut dice));
        let expected = list.expected(&filter, &sort);
        some += usize::from(!expected.is_empty() && expected.len() < list.rows.len());
        let page = list.page(&filter, &sort, &Window { limit: 500, total: true, ..Window::default() }).await;
        assert!(tasks(&page) == expected, "{filter:#?}\n{sort:?}\ngave {} rows instead of {}", page.rows.len(), expected.len());
        assert_eq!((page.total, page.has_next, page.has_previous), (Some(expected.len() as i64), false, false));
    }
    assert!(some > 100, "only {some} filters told rows apart");
    list.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_condition_alone_answers_as_rules_of_their_own() {
    let mut dice = Dice::thrown();
    let mut list = List::new(&mut dice).await;
    list.fill(&mut dice, 120).await;
    for _ in 0..400 {
        let filter = condition(&mut dice, &list.names);
        let page = list.page(&filter, &[], &Window { limit: 500, ..Window::default() }).await;
        assert!(tasks(&page) == list.expected(&filter, &[]), "{filter:#?}\ngave {} rows", page.rows.len());
    }
    list.close().await;
}

/// Reads a whole list page by page, forward or backward.
async fn whole(list: &List, dice: &mut Dice, filter: &TaskFilter, sort: &[TaskSort], backward: bool) -> Vec<TaskRow> {
    let (mut rows, mut cursor) = (Vec::<TaskRow>::new(), None);
    loop {
        let limit = 1 + dice.below(9);
        let mut window = Window { limit, backward, total: dice.percent(50), ..Window::default() };
        *(if backward { &mut window.before } else { &mut window.after }) = cursor.clone();
        let page = list.page(filter, sort, &window).await;
        let (more, back) = if backward { (page.has_previous, page.has_next) } else { (page.has_next, page.has_previous) };
        assert_eq!(back, cursor.is_some(), "the way back");
        assert!(page.rows.len() <= limit);
        assert_eq!(more, page.rows.len() == limit && rows.len() + limit < list.expected(filter, sort).len(), "the way on");
        let found = tasks(&page);
        cursor = if backward { page.rows.first() } else { page.rows.last() }.map(|(_, place)| place.cursor());
        rows = if backward { [found, rows].concat() } else { [rows, found].concat() };
        if !more {
            return rows;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_forward_and_backward_make_up_the_list_in_every_order() {
    let mut dice = Dice::thrown();
    let mut list = List::new(&mut dice).await;
    list.fill(&mut dice, 70).await;
    let alone = TaskSortField::ALL.into_iter().flat_map(|field| [false, true].map(|descending| vec![TaskSort { field, descending }]));
    let mut orders: Vec<Vec<TaskSort>> = alone.collect();
    orders.extend((0..12).map(|_| sort(&mut dice)));
    for sort in orders {
        let filter = if dice.percent(50) { TaskFilter::default() } else { filter(&mut dice, &list.names, 1) };
        let expected = list.expected(&filter, &sort);
        assert!(whole(&list, &mut dice, &filter, &sort, false).await == expected, "forward: {sort:?}");
        assert!(whole(&list, &mut dice, &filter, &sort, true).await == expected, "backward: {sort:?}");
        between_cursors(&list, &mut dice, &filter, &sort, &expected).await;
    }
    list.close().await;
}

/// A window may have two ends.
async fn between_cursors(list: &List, dice: &mut Dice, filter: &TaskFilter, sort: &[TaskSort], expected: &[TaskRow]) {
    let page = list.page(filter, sort, &Window { limit: 500, ..Window::default() }).await;
    if expected.len() < 3 {
        return;
    }
    let (one, other) = (dice.below(expected.len()), dice.below(expected.len()));
    let (from, to) = (one.min(other), one.max(other));
    let cursor = |at: usize| Some(page.rows[at].1.cursor());
    let window = Window { limit: 500, after: cursor(from), before: cursor(to), backward: dice.percent(50), total: false };
    assert!(tasks(&list.page(filter, sort, &window).await) == expected[(from + 1).min(to)..to], "between two cursors: {sort:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_none_still_counts_and_says_whether_there_are_more() {
    let mut dice = Dice::thrown();
    let mut list = List::new(&mut dice).await;
    list.fill(&mut dice, 5).await;
    let none = list.page(&TaskFilter::default(), &[], &Window { limit: 0, total: true, ..Window::default() }).await;
    assert_eq!((none.rows.len(), none.total, none.has_next), (0, Some(5), true));
    let nowhere = TaskFilter { text: Some("nowhere to be found".to_owned()), ..TaskFilter::default() };
    let none = list.page(&nowhere, &[], &Window { limit: 10, total: true, ..Window::default() }).await;
    assert_eq!((none.rows.len(), none.total, none.has_next), (0, Some(0), false));
    let all = list.page(&TaskFilter::default(), &[], &Window { limit: 5, total: true, ..Window::default() }).await;
    let end = all.rows.last().map(|(_, place)| place.cursor());
    let beyond = list.page(&TaskFilter::default(), &[], &Window { limit: 5, after: end, total: true, ..Window::default() }).await;
    assert_eq!((beyond.rows.len(), beyond.total, beyond.has_next, beyond.has_previous), (0, Some(5), false, true));
    list.close().await;
}
