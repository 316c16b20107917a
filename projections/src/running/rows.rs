//! The rows of a version in its table: read by key, read by group in steps, and written many at once.

use crate::columns::{Column, Name, Statement, Stored, select_list};
use crate::model::{Group, Keyed, ReadModel};
use sqlx::{Error, PgConnection};
use std::collections::BTreeSet;

/// Reads the rows with these keys.
pub(crate) async fn load<M: ReadModel>(connection: &mut PgConnection, version: i32, keys: &BTreeSet<M::Key>) -> Result<Keyed<M>, Error> {
    let (list, key) = (select_list::<M::Row>("t"), &M::Row::columns()[0].name);
    let sql = format!("SELECT {list} FROM milepost.{}_v{version} t WHERE t.{key} = ANY($1)", M::NAME);
    read::<M>(connection, Column::bind(sqlx::query(&sql), keys.iter())).await
}

async fn read<M: ReadModel>(connection: &mut PgConnection, statement: Statement<'_>) -> Result<Keyed<M>, Error> {
    let rows = statement.fetch_all(connection).await?;
    rows.iter().map(|row| M::Row::read(row, 0).map(|row| (M::key(&row), row))).collect()
}

/// Opens the cursor over the rows of these groups, each row once. A group may have any number of rows. The cursor shows
/// rows as they are now, not what the transaction changes later.
///
/// It is named after the read model: a connection caches the columns by the text of a statement.
pub(crate) async fn open_members<M: ReadModel>(
    connection: &mut PgConnection,
    version: i32,
    groups: &BTreeSet<M::Group>,
) -> Result<(), Error> {
    let list = select_list::<M::Row>("t");
    // An index scan for each column rather than one OR, which the planner may answer by reading everything.
    let scans = M::Group::COLUMNS
        .iter()
        .enumerate()
        .map(|(n, column)| format!("SELECT {list} FROM milepost.{}_v{version} t WHERE t.{column} = ANY(${}::uuid[])", M::NAME, n + 1));
    let sql = format!("DECLARE {}_members NO SCROLL CURSOR FOR {}", M::NAME, scans.collect::<Vec<_>>().join(" UNION "));
    let mut statement = sqlx::query(&sql);
    for column in M::Group::COLUMNS {
        let ids = groups.iter().map(Group::found_by).filter(|(of, _)| of == column);
        statement = statement.bind(ids.map(|(_, id)| id).collect::<Vec<_>>());
    }
    statement.execute(connection).await.map(|_| ())
}

/// Reads up to this many more rows from the cursor; fewer at its end.
pub(crate) async fn next_members<M: ReadModel>(connection: &mut PgConnection, at_most: usize) -> Result<Keyed<M>, Error> {
    read::<M>(connection, sqlx::query(&format!("FETCH {at_most} FROM {}_members", M::NAME))).await
}

/// Closes it.
pub(crate) async fn close_members<M: ReadModel>(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query(&format!("CLOSE {}_members", M::NAME)).execute(connection).await.map(|_| ())
}

/// Writes rows, new and changed.
pub async fn save<M: ReadModel>(connection: &mut PgConnection, version: i32, rows: &[(M::Key, M::Row)]) -> Result<(), Error> {
    let sql = upsert(&format!("{}_v{version}", M::NAME), M::Row::columns());
    M::Row::bind(sqlx::query(&sql), rows).execute(connection).await.map(|_| ())
}

/// `INSERT … SELECT … FROM unnest(…)`, with one array for each column, which replaces rows that are there. The first column
/// is the key.
fn upsert(table: &str, columns: &[Name]) -> String {
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let arrays: Vec<_> = columns.iter().enumerate().map(|(n, column)| format!("${}::{}[]", n + 1, column.carried)).collect();
    let value = |column: &Name| match column.cast {
        Some(to) => format!("n.{}::{to}", column.name),
        None => format!("n.{}", column.name),
    };
    let replace: Vec<_> = names[1..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    format!(
        "INSERT INTO milepost.{table} ({names}) SELECT {values} FROM unnest({arrays}) AS n({names}) ON CONFLICT ({key}) DO UPDATE SET {replace}",
        values = columns.iter().map(value).collect::<Vec<_>>().join(", "),
        arrays = arrays.join(", "),
        key = names[0],
        replace = replace.join(", "),
        names = names.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::upsert;
    use crate::columns::{Stored, stored};
    use domain::ids::{TaskId, UserId};

    struct Row {
        id: TaskId,
        people: Vec<UserId>,
        minutes: Option<i32>,
    }

    stored!(Row { id, people, minutes });

    #[test]
    fn rows_are_written_by_one_statement_that_replaces_what_is_there() {
        let expected = "INSERT INTO milepost.rows_v3 (id, people, minutes) SELECT n.id, n.people::uuid[], n.minutes \
                        FROM unnest($1::uuid[], $2::text[], $3::int[]) AS n(id, people, minutes) \
                        ON CONFLICT (id) DO UPDATE SET people = excluded.people, minutes = excluded.minutes";
        assert_eq!(upsert("rows_v3", Row::columns()), expected);
    }
}
