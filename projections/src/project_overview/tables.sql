create table milepost.project_overview_v{v} (
  id             uuid        not null primary key,
  workspace_id   uuid        not null,
  key            text        not null collate "C",
  name           text        not null collate "C",
  description    text        not null,
  phase          text        not null collate "C",
  start_on       date,
  due_on         date,
  time_zone      text        not null collate "C",
  -- [{"user_id", "role", "since"}] in the order in which they joined.
  collaborators  jsonb       not null,
  -- Tasks by status.
  todo           integer     not null,
  in_progress    integer     not null,
  in_review      integer     not null,
  blocked        integer     not null,
  done           integer     not null,
  cancelled      integer     not null,
  created_by     uuid        not null,
  created_at     timestamptz not null,
  updated_at     timestamptz not null,
  version        bigint      not null
) with (fillfactor = 70);
create unique index on milepost.project_overview_v{v} (workspace_id, key);
