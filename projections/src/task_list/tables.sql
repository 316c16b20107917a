create table milepost.task_list_v{v} (
  id                   uuid        not null primary key,
  workspace_id         uuid        not null,
  project_id           uuid        not null,
  project_key          text        not null collate "C",
  number               integer     not null,
  -- Keys it had in projects that it has left.
  former_keys          text[]      not null,
  title                text        not null collate "C",
  description          text        not null,
  status               text        not null collate "C",
  blocked_reason       text,
  -- 1 is the most urgent.
  priority             smallint    not null,
  category             text        collate "C",
  tags                 text[]      not null,
  assignee_ids         uuid[]      not null,
  due_at               timestamptz,
  due_date             date,
  due_zone             text        collate "C",
  estimate_minutes     integer,
  created_by           uuid        not null,
  created_at           timestamptz not null,
  updated_at           timestamptz not null,
  completed_at         timestamptz,
  time_to_complete_ms  bigint,
  version              bigint      not null,
  -- Deleted, or in a deleted project.
  hidden               boolean     not null
) with (fillfactor = 85);
create unique index on milepost.task_list_v{v} (workspace_id, project_key, number);
create index on milepost.task_list_v{v} (project_id, created_at, id);
