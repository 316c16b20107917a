create table milepost.task_comments_v{v} (
  id            uuid        not null primary key,
  workspace_id  uuid        not null,
  task_id       uuid        not null,
  author        uuid        not null,
  body          text        not null,
  created_at    timestamptz not null,
  position      bigint      not null
);
