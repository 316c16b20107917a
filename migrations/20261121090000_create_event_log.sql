-- The event log: what has happened, in one total order, for ever.

do $$
declare
  role_name text;
begin
  foreach role_name in array array['milepost_worker', 'milepost_service', 'milepost_reader'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      begin
        execute format('create role %I nologin', role_name);
      exception when duplicate_object or unique_violation then
        null;  -- another database of this server is being migrated at this moment
      end;
    end if;
    if not pg_has_role(current_user, role_name, 'member') then
      execute format('grant %I to %I', role_name, current_user);
    end if;
  end loop;
end
$$;

grant usage on schema milepost to milepost_worker, milepost_service, milepost_reader;
-- Projections create the tables of their versions.
grant create on schema milepost to milepost_worker;
alter default privileges for role milepost_worker in schema milepost grant select on tables to milepost_service, milepost_reader;

-- A superset of the table of postgres-es: its stock loader reads this one, so ids are text and versions are text.
create table milepost.events (
  -- Place in the total order: from 1, without gaps, final and in commit order the moment it can be seen.
  position        bigint      not null primary key,
  workspace_id    uuid        not null,
  aggregate_type  text        not null collate "C",
  -- Unique across types and workspaces.
  aggregate_id    text        not null collate "C",
  -- Version of the aggregate after the event: from 1, without gaps.
  sequence        bigint      not null,
  event_id        uuid        not null,
  -- The catalogue's word, such as task_created.
  event_type      text        not null collate "C",
  event_version   text        not null collate "C" check (event_version >= '1' and ltrim(event_version, '0123456789') = ''),
  payload         json        not null,
  metadata        jsonb       not null,
  -- Given under the lock of log_head; never goes back along positions.
  recorded_at     timestamptz not null,
  -- Set on the first event of a unit (what one command appended), null on the others.
  command_source  smallint,
  command_id      uuid,
  request_hash    bytea,
  unit_size       integer
);
create unique index events_stream on milepost.events (aggregate_id, sequence);
create unique index events_command on milepost.events (workspace_id, command_source, command_id) where command_id is not null;
-- A rebuild reads only the types it is about.
create index events_type on milepost.events (event_type, position);
comment on table milepost.events is 'The log of all events. Append-only; supported read: select position, event_type from milepost.events order by position.';

-- One row, locked by every append and never updated: dead versions would pile up behind any held snapshot.
create table milepost.log_head (only_row boolean not null primary key default true check (only_row));
insert into milepost.log_head default values;

-- Which log this is: made once, and copied with it. Who keeps a position of the log elsewhere, as the relay does on Kafka, keeps
-- this id beside it, and so can tell a position in this log from one in another.
create table milepost.log_identity (
  only_row  boolean  not null primary key default true check (only_row),
  id        uuid     not null default gen_random_uuid()
);
insert into milepost.log_identity default values;

-- Unique values and who holds them, such as project keys. Claimed and released by the append that decides it.
create table milepost.claims (
  workspace_id  uuid   not null,
  kind          text   not null collate "C",
  value         text   not null collate "C",
  held_by       text   not null collate "C",
  position      bigint not null,
  primary key (workspace_id, kind, value)
);

-- Counters that the log draws numbers from, such as the task numbers of a project. The last value is the highest row;
-- rows are only added, one for each batch that drew, for the same reason that log_head is never updated.
create table milepost.draws (
  counter  text   not null collate "C",
  value    bigint not null,
  primary key (counter, value)
);

-- Commands that carried an id and found their wish already true: a late retry must not undo a newer change.
create table milepost.settled_commands (
  workspace_id    uuid        not null,
  command_source  smallint    not null,
  command_id      uuid        not null,
  request_hash    bytea       not null,
  aggregate_id    text        not null collate "C",
  version         bigint      not null,
  position        bigint      not null,
  settled_at      timestamptz not null,
  primary key (workspace_id, command_source, command_id)
);

-- Lines of an import that were refused: the same line is answered the same. A refusal does not use up the command id: a line
-- of other content, or one whose refusal does not count any more, is decided anew. What was carried out comes before it.
create table milepost.refused_lines (
  workspace_id    uuid        not null,
  command_source  smallint    not null,
  command_id      uuid        not null,
  -- Of the line's content and its sender.
  line_hash       bytea       not null,
  code            text        not null collate "C",
  message         text        not null,
  -- Points into the line; empty where no field is to blame.
  path            text[]      not null,
  refused_at      timestamptz not null,
  primary key (workspace_id, command_source, command_id, line_hash)
);

create function milepost.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% of % is refused: what happened stays', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end
$$;
create trigger events_stay before update or delete on milepost.events for each statement execute function milepost.refuse_change();
create trigger events_stay_all before truncate on milepost.events for each statement execute function milepost.refuse_change();

grant select, insert on milepost.events, milepost.draws, milepost.settled_commands to milepost_worker;
grant select, insert, delete on milepost.claims to milepost_worker;
-- A line that is decided anew and refused again has the newer refusal.
grant select, insert, update on milepost.refused_lines to milepost_worker;
-- Locking a row asks for the right to update, though nothing ever does.
grant select, update on milepost.log_head to milepost_worker;
grant select on milepost.log_identity to milepost_worker, milepost_service, milepost_reader;
grant select on milepost.events to milepost_service, milepost_reader;
