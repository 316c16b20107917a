-- The tables that postgres-es asks for, as its README has them, and one for each view.
create table if not exists events (
  aggregate_type  text                         not null,
  aggregate_id    text                         not null,
  sequence        bigint check (sequence >= 0) not null,
  event_type      text                         not null,
  event_version   text                         not null,
  payload         json                         not null,
  metadata        json                         not null,
  primary key (aggregate_type, aggregate_id, sequence)
);
create table if not exists task_view (
  view_id  text                        not null primary key,
  version  bigint check (version >= 0) not null,
  payload  json                        not null
);
create table if not exists project_view (
  view_id  text                        not null primary key,
  version  bigint check (version >= 0) not null,
  payload  json                        not null
);
