//! How rows are stored: which columns a value takes, and which fields a row has.
//!
//! A type says in its [`Column`] how one value is written and read. A row is a list of the names of its fields
//! ([`stored!`]). The SELECT list, reading and writing follow from both, so no column is counted by hand.

#[cfg(test)]
mod tests;
mod values;

pub(crate) use values::json;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Error, Postgres};

/// A statement whose parameters are being bound.
pub type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// A column that a value takes.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    name: PartName,
    /// The type of an element of the array that carries it.
    carried: &'static str,
    /// The type of the column, where the bound type must be cast: arrays cannot hold arrays.
    cast: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum PartName {
    /// That of the field with this behind it.
    Suffix(&'static str),
    /// This name, independent of the name of the field.
    Own(&'static str),
}

impl Part {
    /// The only column of a value, named like the field.
    pub(crate) const fn whole(carried: &'static str, cast: Option<&'static str>) -> Self {
        Self { name: PartName::Suffix(""), carried, cast }
    }

    /// One of several columns: `due_at` is the part `_at` of the field `due`.
    pub(crate) const fn suffix(suffix: &'static str, carried: &'static str) -> Self {
        Self { name: PartName::Suffix(suffix), carried, cast: None }
    }

    /// One of several columns, with its own name.
    pub(crate) const fn own(name: &'static str, carried: &'static str) -> Self {
        Self { name: PartName::Own(name), carried, cast: None }
    }
}

/// How a value is stored in a table. Most values take one column; a due date takes three.
pub trait Column: Sized {
    /// The columns that it takes.
    const PARTS: &'static [Part];

    /// Reads a value whose first column is at `at`.
    fn read(row: &PgRow, at: usize) -> Result<Self, Error>;

    /// Binds the values of many rows: one array for each column.
    fn bind<'q>(statement: Statement<'q>, values: impl Iterator<Item = &'q Self> + Clone) -> Statement<'q>
    where
        Self: 'q;
}

/// A column of the table of a row.
#[derive(Debug, Clone)]
pub struct Name {
    pub(crate) name: String,
    pub(crate) carried: &'static str,
    pub(crate) cast: Option<&'static str>,
}

/// A row that a table holds. [`stored!`] implements it.
pub trait Stored: Sized {
    /// The columns of the table. The first one is the key.
    fn columns() -> &'static [Name];

    /// Reads a row whose first column is at `from`.
    fn read(row: &PgRow, from: usize) -> Result<Self, Error>;

    /// Binds the columns of many rows, in the order of [`columns`](Self::columns).
    fn bind<'q, K>(statement: Statement<'q>, rows: &'q [(K, Self)]) -> Statement<'q>;
}

/// Makes a struct a row of a table: `stored!(Row { field, … })`, with the key first and the fields in the order of
/// `tables.sql`. A field that is missing here does not compile, and neither does one whose type is not a [`Column`].
///
/// ```text
/// stored!(CommentRow { id, body });
/// ```
///
/// becomes
///
/// ```text
/// impl Stored for CommentRow {
///     fn columns() -> &'static [Name] {
///         static COLUMNS: LazyLock<Vec<Name>> = LazyLock::new(|| {
///             let mut names = vec![];
///             add_names(&mut names, "id", |row: &CommentRow| &row.id);
///             add_names(&mut names, "body", |row: &CommentRow| &row.body);
///             names
///         });
///         &COLUMNS
///     }
///     fn read(row: &PgRow, from: usize) -> Result<Self, Error> {
///         let mut at = from;
///         Ok(Self { id: read_next(row, &mut at)?, body: read_next(row, &mut at)? })
///     }
///     fn bind<'q, K>(statement: Statement<'q>, rows: &'q [(K, Self)]) -> Statement<'q> {
///         let statement = Column::bind(statement, rows.iter().map(|(_, row)| &row.id));
///         let statement = Column::bind(statement, rows.iter().map(|(_, row)| &row.body));
///         statement
///     }
/// }
/// ```
macro_rules! stored {
    ($row:ident { $($field:ident),* $(,)? }) => {
        impl $crate::columns::Stored for $row {
            fn columns() -> &'static [$crate::columns::Name] {
                static COLUMNS: std::sync::LazyLock<Vec<$crate::columns::Name>> = std::sync::LazyLock::new(|| {
                    let mut names = vec![];
                    $($crate::columns::add_names(&mut names, stringify!($field), |row: &$row| &row.$field);)*
                    names
                });
                &COLUMNS
            }

            fn read(row: &sqlx::postgres::PgRow, from: usize) -> Result<Self, sqlx::Error> {
                let mut at = from;
                Ok(Self { $($field: $crate::columns::read_next(row, &mut at)?,)* })
            }

            fn bind<'q, K>(statement: $crate::columns::Statement<'q>, rows: &'q [(K, Self)]) -> $crate::columns::Statement<'q> {
                $(let statement = $crate::columns::Column::bind(statement, rows.iter().map(|(_, row)| &row.$field));)*
                statement
            }
        }
    };
}

/// Implements `Column` for a type that takes one column, and for an `Option` of it, which takes a nullable one:
/// `one_column! { Type: "type of an element", write, read; }`, with `"text" as "jsonb"` for a value that is bound as
/// text and cast.
///
/// ```text
/// one_column! { TaskId: "uuid", |id| id.0, |id: Uuid| Ok(TaskId(id)); }
/// ```
///
/// becomes
///
/// ```text
/// impl Column for TaskId {
///     const PARTS: &'static [Part] = &[Part::whole("uuid", None)];
///     fn read(row: &PgRow, at: usize) -> Result<Self, Error> {
///         row.try_get(at).and_then(|id: Uuid| Ok(TaskId(id)))
///     }
///     fn bind<'q>(statement: Statement<'q>, values: impl Iterator<Item = &'q Self> + Clone) -> Statement<'q> {
///         statement.bind(values.map(|id| id.0).collect::<Vec<_>>())
///     }
/// }
/// impl Column for Option<TaskId> { /* the same, where the column is not null */ }
/// ```
macro_rules! one_column {
    ($($value:ty: $carried:literal $(as $cast:literal)?, $write:expr, $read:expr;)*) => {$(
        impl $crate::columns::Column for $value {
            const PARTS: &'static [$crate::columns::Part] =
                &[$crate::columns::Part::whole($carried, $crate::columns::optional!($($cast)?))];

            fn read(row: &sqlx::postgres::PgRow, at: usize) -> Result<Self, sqlx::Error> {
                sqlx::Row::try_get(row, at).and_then($read)
            }

            fn bind<'q>(
                statement: $crate::columns::Statement<'q>,
                values: impl Iterator<Item = &'q Self> + Clone,
            ) -> $crate::columns::Statement<'q> {
                statement.bind(values.map($write).collect::<Vec<_>>())
            }
        }

        impl $crate::columns::Column for Option<$value> {
            const PARTS: &'static [$crate::columns::Part] = <$value as $crate::columns::Column>::PARTS;

            fn read(row: &sqlx::postgres::PgRow, at: usize) -> Result<Self, sqlx::Error> {
                sqlx::Row::try_get::<Option<_>, _>(row, at)?.map($read).transpose()
            }

            fn bind<'q>(
                statement: $crate::columns::Statement<'q>,
                values: impl Iterator<Item = &'q Self> + Clone,
            ) -> $crate::columns::Statement<'q> {
                statement.bind(values.map(|value| value.as_ref().map($write)).collect::<Vec<_>>())
            }
        }
    )*};
}

/// `Some` of what is given, or `None`.
macro_rules! optional {
    () => {
        None
    };
    ($given:literal) => {
        Some($given)
    };
}

pub(crate) use {one_column, optional, stored};

/// Adds the names of the columns of a field, whose type is that of what `_value` gives.
pub(crate) fn add_names<R, T: Column>(names: &mut Vec<Name>, field: &str, _value: fn(&R) -> &T) {
    names.extend(T::PARTS.iter().map(|part| {
        let name = match part.name {
            PartName::Suffix(suffix) => format!("{field}{suffix}"),
            PartName::Own(name) => name.to_owned(),
        };
        Name { name, carried: part.carried, cast: part.cast }
    }));
}

/// Reads a value, and goes to the column behind it.
pub(crate) fn read_next<T: Column>(row: &PgRow, at: &mut usize) -> Result<T, Error> {
    let value = T::read(row, *at)?;
    *at += T::PARTS.len();
    Ok(value)
}

/// The columns of a row for a SELECT, with an alias before each.
pub(crate) fn select_list<R: Stored>(alias: &str) -> String {
    select_list_of::<R>(alias, false)
}

/// The same, with an empty text in place of the description, which may be long, if that is not needed.
pub(crate) fn select_list_of<R: Stored>(alias: &str, without_description: bool) -> String {
    let column = |column: &Name| match column.name.as_str() {
        "description" if without_description => "''::text".to_owned(),
        name => format!("{alias}.{name}"),
    };
    R::columns().iter().map(column).collect::<Vec<_>>().join(", ")
}
