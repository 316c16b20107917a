//! The columns that rows declare are those of their tables.

use super::{Name, Stored, select_list, select_list_of};
use crate::model::{Group, ReadModel};
use crate::models::{ForEach, for_each};
use crate::task_list::TaskRow;

/// The columns of the table of a read model, with their types.
fn columns_of_table(tables: &str) -> Vec<(&str, &str)> {
    let (_, columns) = tables.split_once("(\n").expect("a table with columns");
    let (columns, _) = columns.split_once("\n)").expect("the end of the table");
    let lines = columns.lines().map(str::trim).filter(|line| !line.starts_with("--"));
    lines.map(|line| line.split_once(' ').expect("a name and a type")).map(|(name, rest)| (name, first_word(rest))).collect()
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().expect("a word").trim_end_matches(',')
}

/// The type of a column as `tables.sql` writes it.
fn type_of(column: &Name) -> &str {
    match column.cast.unwrap_or(column.carried) {
        "int" => "integer",
        other => other,
    }
}

struct Compared(Vec<&'static str>);

impl ForEach for Compared {
    fn read_model<M: ReadModel>(&mut self) {
        let columns: Vec<_> = M::Row::columns().iter().map(|column| (column.name.as_str(), type_of(column))).collect();
        assert_eq!(columns, columns_of_table(M::TABLES), "{}", M::NAME);
        for column in M::Group::COLUMNS {
            assert!(columns.contains(&(column, "uuid")), "{} has no column {column} to find the rows of a group by", M::NAME);
        }
        self.0.push(M::NAME);
    }
}

#[test]
fn every_row_has_the_columns_of_its_table_in_their_order_with_their_types() {
    let mut compared = Compared(vec![]);
    for_each(&mut compared);
    assert!(compared.0.contains(&"task_list"));
}

#[test]
fn only_the_description_is_left_out_of_a_select_list() {
    let (all, without) = (select_list::<TaskRow>("t"), select_list_of::<TaskRow>("t", true));
    assert!(all.starts_with("t.id, t.workspace_id, ") && all.contains(", t.due_at, t.due_date, t.due_zone, "), "{all}");
    assert_eq!(without, all.replace("t.description", "''::text"));
}
