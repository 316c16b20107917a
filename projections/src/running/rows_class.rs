//! What an error means for the rows that an event changes: whether to wait, to retry, or to park the event.

/// What an error means for the rows that an event changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsClass {
    /// Not about the rows: any statement would meet it. Wait as long as it takes.
    Waits,
    /// Something is wrong with them, or with how the server accessed them: it may be transient.
    MayPass,
    /// It repeats until the rows are changed.
    Stays,
}

/// What an error means for the rows that an event changes.
#[expect(clippy::wildcard_enum_match_arm, reason = "what sqlx adds says nothing of rows: to wait loses nothing")]
pub(crate) fn class(error: &sqlx::Error) -> RowsClass {
    match error {
        // A value that cannot be written, and an invalid stored value.
        sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => RowsClass::Stays,
        sqlx::Error::Database(refused) => class_of_code(&refused.code().unwrap_or_default()),
        // Connections; and columns and types, which all rows have.
        _ => RowsClass::Waits,
    }
}

/// The same by the code of the server. Unknown codes are not about rows: waiting loses nothing.
fn class_of_code(code: &str) -> RowsClass {
    let is_one_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    match code {
        // Two values for one row, data exceptions, broken constraints, exceeded limits, errors that functions raise.
        _ if is_one_of(&["21", "22", "23", "54", "P0"]) => RowsClass::Stays,
        // Damaged pages and indexes, and internal errors, such as an allocation of an invalid size.
        _ if is_one_of(&["XX"]) => RowsClass::MayPass,
        _ => RowsClass::Waits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_about_rows_park_an_event() {
        for code in ["21000", "22001", "22021", "22P02", "23505", "23514", "54000", "54001", "P0001"] {
            assert_eq!(class_of_code(code), RowsClass::Stays, "{code}");
        }
        for code in ["XX000", "XX001", "XX002"] {
            assert_eq!(class_of_code(code), RowsClass::MayPass, "{code}");
        }
        // Connections, rights and tables, transactions, resources, locks, actions of an administrator, file system
        // errors.
        let of_all = ["08006", "25006", "25P03", "28P01", "3D000", "40001", "40P01", "42501", "42P01", "53100", "53200", "55P03"];
        for code in of_all.into_iter().chain(["57014", "57P01", "58030", "99999", ""]) {
            assert_eq!(class_of_code(code), RowsClass::Waits, "{code}");
        }
        let stored = sqlx::Error::Decode("9 is not a priority".into());
        assert_eq!([class(&stored), class(&sqlx::Error::PoolTimedOut)], [RowsClass::Stays, RowsClass::Waits]);
    }
}
