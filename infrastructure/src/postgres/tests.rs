//! Which databases fit a program.

use super::migrations::fits;
use super::{DatabaseError, log_error};
use application::ports::LogError;

fn applied(names: &[(i64, &str)]) -> Vec<(i64, String, Vec<u8>)> {
    names.iter().map(|(version, name)| (*version, (*name).to_owned(), vec![])).collect()
}

#[test]
fn a_newer_database_fits_unless_its_migrations_need_a_newer_program() {
    let known = [1, 2, 3];
    let old = [(1, "create"), (2, "add a column"), (3, "add another")];
    let with = |more: &[(i64, &str)]| fits(&applied(&[&old, more].concat()), &known);
    assert!(with(&[]).is_ok());
    assert!(with(&[(4, "add a third"), (5, "drop the first needs 2"), (6, "drop the second needs 3")]).is_ok());
    let newer = with(&[(4, "add a third"), (5, "drop the first needs 4")]);
    assert!(matches!(newer, Err(DatabaseError::Newer { migration: 5, needs: 4 })), "{newer:?}");
}

#[test]
fn an_older_database_does_not_fit() {
    for names in [&[][..], &[(1, "create")], &[(1, "create"), (3, "from elsewhere")]] {
        let older = fits(&applied(names), &[1, 2]);
        assert!(matches!(older, Err(DatabaseError::Older)), "{older:?}");
    }
}

#[test]
fn a_pool_without_a_connection_is_no_refusal() {
    assert!(matches!(log_error(sqlx::Error::PoolTimedOut), LogError::Unreachable(_)));
    assert!(matches!(log_error(sqlx::Error::ColumnNotFound("position".to_owned())), LogError::Corrupt(_)));
}
