create table milepost.activity_v{v} (
  position      bigint      not null primary key,
  event_id      uuid        not null,
  workspace_id  uuid        not null,
  -- The aggregate it happened to.
  subject_id    uuid        not null,
  event_type    text        not null collate "C",
  actor         uuid        not null,
  occurred_at   timestamptz not null,
  summary       text        not null
);
