create table milepost.deadline_log_v{v} (
  -- Made from schedule, due revision and moment.
  id                uuid        not null primary key,
  workspace_id      uuid        not null,
  schedule_id       uuid        not null,
  project_id        uuid,
  task_id           uuid,
  -- Null where the due moment itself passed.
  threshold_amount  integer,
  threshold_unit    text        collate "C",
  due_revision      integer     not null,
  due_at            timestamptz not null,
  scheduled_for     timestamptz not null,
  fired_at          timestamptz not null,
  late_by_ms        bigint      not null,
  position          bigint      not null,
  -- The project or the task was deleted.
  hidden            boolean     not null
);
create index on milepost.deadline_log_v{v} (project_id) where project_id is not null;
create index on milepost.deadline_log_v{v} (task_id) where task_id is not null;
