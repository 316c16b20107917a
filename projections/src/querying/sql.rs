//! Writing many rows at once: one statement, one array for each column. And reading many of them in steps.

use crate::model::{Keyed, ReadModel};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection};

/// A column of a read model's table.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// The type of an element of the array that carries it.
    carried: &'static str,
    /// The column's own type, where the carried one has to be cast.
    cast: Option<&'static str>,
}

/// A column that is carried as it is.
pub(crate) const fn col(name: &'static str, carried: &'static str) -> Column {
    Column { name, carried, cast: None }
}

/// A column carried as text and cast, since arrays cannot hold arrays.
pub(crate) const fn cast(name: &'static str, to: &'static str) -> Column {
    Column { name, carried: "text", cast: Some(to) }
}

/// `INSERT … SELECT … FROM unnest(…)`, which replaces rows that are there. The first `keys` columns are the key.
pub(crate) fn upsert(table: &str, columns: &[Column], keys: usize) -> String {
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let arrays: Vec<_> = columns.iter().enumerate().map(|(n, column)| format!("${}::{}[]", n + 1, column.carried)).collect();
    let values: Vec<_> = columns
        .iter()
        .map(|column| match column.cast {
            Some(to) => format!("n.{}::{to}", column.name),
            None => format!("n.{}", column.name),
        })
        .collect();
    let replace: Vec<_> = names[keys..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let conflict = match replace.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", replace.join(", ")),
    };
    format!(
        "INSERT INTO milepost.{table} ({names}) SELECT {values} FROM unnest({arrays}) AS n({names}) ON CONFLICT ({key}) DO {conflict}",
        names = names.join(", "),
        values = values.join(", "),
        arrays = arrays.join(", "),
        key = names[..keys].join(", "),
    )
}

/// The statement that opens the cursor over a read model's members of groups, for a query. It shows rows as they are now,
/// whatever the transaction changes later.
///
/// Its name is the read model's: a connection keeps what it knows of the columns with the text of a statement.
pub(crate) fn declare_members<M: ReadModel>(query: &str) -> String {
    format!("DECLARE {}_members NO SCROLL CURSOR FOR {query}", M::NAME)
}

/// Reads so many more rows from it.
pub(crate) async fn fetch_members<M: ReadModel>(
    connection: &mut PgConnection,
    at_most: usize,
    read: impl Fn(&PgRow) -> Result<(M::Key, M::Row), Error>,
) -> Result<Keyed<M>, Error> {
    let rows = sqlx::query(&format!("FETCH {at_most} FROM {}_members", M::NAME)).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Closes it.
pub(crate) async fn close_members<M: ReadModel>(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query(&format!("CLOSE {}_members", M::NAME)).execute(connection).await.map(|_| ())
}

/// The columns for a SELECT, with an alias before each.
pub(crate) fn select_list(alias: &str, columns: &[Column]) -> String {
    select_list_of(alias, columns, false)
}

/// The same, if wished with an empty text instead of the description, which may be long.
pub(crate) fn select_list_of(alias: &str, columns: &[Column], without_description: bool) -> String {
    let column = |column: &Column| match column.name {
        "description" if without_description => "''::text".to_owned(),
        name => format!("{alias}.{name}"),
    };
    columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// An array as PostgreSQL writes it, such as `{"a","b"}`.
pub(crate) fn array_literal<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut literal = String::from("{");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for c in item.chars() {
            if matches!(c, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(c);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}
