create table milepost.schedules_v{v} (
  id               uuid        not null primary key,
  workspace_id     uuid        not null,
  project_id       uuid,
  task_id          uuid,
  -- Whether it is kept in step with its task's due date.
  follows_task     boolean     not null,
  title            text        not null collate "C",
  state            text        not null collate "C",
  due_at           timestamptz not null,
  due_date         date,
  due_zone         text        not null collate "C",
  due_revision     integer     not null,
  -- [{"amount", "unit", "at"}], the earliest first.
  thresholds       jsonb       not null,
  fired_through    timestamptz,
  next_fire_at     timestamptz,
  -- Silences it as long as it is so.
  project_at_rest  boolean     not null,
  -- Its project or its task was deleted.
  hidden           boolean     not null,
  created_at       timestamptz not null,
  updated_at       timestamptz not null,
  version          bigint      not null
) with (fillfactor = 85);
create index on milepost.schedules_v{v} (project_id) where project_id is not null;
create index on milepost.schedules_v{v} (task_id) where task_id is not null;
