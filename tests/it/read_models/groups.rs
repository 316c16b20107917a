//! An event that changes many rows as a group, such as the tasks of a project: they are never all in memory.

use super::{core, live, plant, projection};
use application::command::Command;
use application::inputs::ProjectInput;
use projections::running::run_context::RunContext;
use tests::builders::{project, send, somebody, task};
use tests::database::TestDatabase;

const TASKS: i64 = 7;
const ROWS_AT_ONCE: i64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tasks_of_a_deleted_project_are_hidden_some_at_a_time() {
    let database = TestDatabase::new().await;
    let (core, pool) = (core(&database).await, database.pool().await);
    let (caller, tasks) = (somebody(), projection("task_list"));
    let project = project(&core.application, caller).await;
    for number in 0..TASKS {
        task(&core.application, caller, project, &format!("Task {number}")).await;
    }
    let run_context = RunContext { group_rows: ROWS_AT_ONCE as usize, ..core.run_context.clone() };
    tasks.catch_up(&run_context, run_context.log.head_now()).await.expect("a batch is taken in");
    let (version, _) = live(&pool, "task_list").await;
    plant(
        &pool,
        &format!(
            "CREATE TABLE milepost.changed (rows bigint); GRANT INSERT ON milepost.changed TO PUBLIC; \
             CREATE FUNCTION milepost.count_changed() RETURNS trigger LANGUAGE plpgsql AS \
               $$BEGIN INSERT INTO milepost.changed SELECT count(*) FROM changed_rows; RETURN NULL; END$$; \
             CREATE TRIGGER count_changed AFTER UPDATE ON milepost.task_list_v{version} \
               REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION milepost.count_changed()"
        ),
    )
    .await;
    let delete = ProjectInput { command_id: None, id: project, expected_version: None };
    send(&core.application, caller, Command::ProjectDelete(delete)).await.expect("the project is deleted");
    tasks.catch_up(&run_context, run_context.log.head_now()).await.expect("a batch is taken in");

    let hidden: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.task_list WHERE hidden").fetch_one(&pool).await.expect("rows");
    assert_eq!(hidden, TASKS);
    let at_once = sqlx::query_scalar("SELECT rows FROM milepost.changed WHERE rows > 0").fetch_all(&pool).await;
    let at_once: Vec<i64> = at_once.expect("what was changed");
    assert_eq!((at_once.iter().sum::<i64>(), at_once.iter().max()), (TASKS, Some(&ROWS_AT_ONCE)), "{at_once:?}");
    core.close().await;
}
