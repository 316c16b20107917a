-- What workers keep: who does what, and how far they are.

-- Who does a job that only one node may do at a time. The epoch goes up with every new holder and fences the one before.
create table milepost.leases (
  name        text        not null primary key collate "C",
  holder      uuid        not null,
  epoch       bigint      not null,
  expires_at  timestamptz not null
);

-- How far a durable subscriber of the log is, such as the reactions. For the relay it is what is known to be on Kafka, written
-- after Kafka has committed: it lags, and never leads. Where the relay continues is a record on Kafka.
create table milepost.checkpoints (
  name        text        not null primary key collate "C",
  position    bigint      not null,
  updated_at  timestamptz not null default now(),
  -- Only of the relay: why it refuses to send; null while it does not.
  refusal     text
);

-- Events that the relay could not send, because their topic does not take them or this program cannot read them. It stands
-- before the one that has no skipped_at, of which there is one at most.
create table milepost.relay_dead_letters (
  position        bigint      not null primary key,
  event_id        uuid        not null,
  event_type      text        not null collate "C",
  aggregate_type  text        not null collate "C",
  aggregate_id    text        not null collate "C",
  workspace_id    uuid        not null,
  -- Where the event should have gone.
  topic           text        not null collate "C",
  error           text        not null,
  stopped_at      timestamptz not null default now(),
  -- Set by the relay once it has left the event out.
  skipped_at      timestamptz,
  -- Set by the admin who asks for that: who, and why.
  skipped_by      text,
  reason          text,
  check (skipped_at is null or reason is not null)
);

-- Events that a durable subscriber could not deal with, and later ones of the same aggregate, which wait behind them.
create table milepost.parked_events (
  name          text        not null collate "C",
  position      bigint      not null,
  aggregate_id  uuid        not null,
  event_type    text        not null collate "C",
  -- Null for an event that only waits.
  error         text,
  -- How often it was tried; 0 for one that only waits.
  tries         integer     not null default 0,
  parked_at     timestamptz not null default now(),
  -- From then on it is tried again. Null for one that waits behind another of its aggregate: of each aggregate only the first
  -- has it, and whoever changes that holds the row in checkpoints.
  next_try_at   timestamptz,
  primary key (name, position)
);
create index parked_events_aggregate on milepost.parked_events (name, aggregate_id, position);
create index parked_events_due on milepost.parked_events (name, next_try_at) where next_try_at is not null;

-- Parked events of durable subscribers that an admin has skipped, and why.
create table milepost.skipped_events (
  name          text        not null collate "C",
  position      bigint      not null,
  aggregate_id  uuid        not null,
  event_type    text        not null collate "C",
  error         text,
  reason        text        not null,
  skipped_by    text        not null,
  skipped_at    timestamptz not null default now(),
  primary key (name, position)
);

-- Every version of every read model. Its tables are called after it, such as task_list_v3; the view task_list shows the live one.
create table milepost.projections (
  name          text        not null collate "C",
  version       integer     not null check (version > 0),
  -- building: catching up beside the live one; live: answers queries; old: kept for going back; returning: catching up to be
  -- live again; checking: built to be compared.
  state         text        not null check (state in ('building', 'live', 'old', 'returning', 'checking')),
  -- Hash of the tables and the rules it was built by. A program with other rules builds a new version.
  shape         text        not null,
  -- The number of those rules; programs raise it. An older program does not replace what a newer one has built.
  rules         integer     not null,
  -- Every event up to here is in its rows. Moves with the rows, in one transaction.
  position      bigint      not null default 0,
  -- The event at that position: where the log holds another one there, or none, the rows are of another history of the log.
  event_id      uuid,
  -- How many events wait in projection_dead_letters.
  dead_letters  integer     not null default 0,
  -- For a version being built: the head of the log when the building began.
  target        bigint,
  events_done   bigint      not null default 0,
  -- Events per second, of the last seconds before updated_at.
  rate          double precision not null default 0,
  updated_at    timestamptz not null default now(),
  last_error    text,
  started_at    timestamptz not null default now(),
  live_since    timestamptz,
  primary key (name, version)
);
create unique index projections_live on milepost.projections (name) where state = 'live';

-- Events that a projection could not take, and later ones of the same aggregate, which wait behind them.
create table milepost.projection_dead_letters (
  name          text        not null collate "C",
  version       integer     not null,
  position      bigint      not null,
  aggregate_id  text        not null collate "C",
  event_type    text        not null collate "C",
  -- Null for an event that only waits.
  error         text,
  parked_at     timestamptz not null default now(),
  primary key (name, version, position)
);
create index projection_dead_letters_aggregate on milepost.projection_dead_letters (name, version, aggregate_id, position);

-- Events that were given up for a read model, in every version to come.
create table milepost.projection_skipped_events (
  name          text        not null collate "C",
  position      bigint      not null,
  aggregate_id  text        not null collate "C",
  event_type    text        not null collate "C",
  error         text,
  reason        text        not null,
  skipped_by    text        not null,
  skipped_at    timestamptz not null default now(),
  primary key (name, position)
);

grant select, insert, update, delete on milepost.leases, milepost.checkpoints, milepost.relay_dead_letters, milepost.parked_events, milepost.skipped_events, milepost.projections,
  milepost.projection_dead_letters, milepost.projection_skipped_events to milepost_worker;
grant select on milepost.leases, milepost.checkpoints, milepost.relay_dead_letters, milepost.parked_events, milepost.skipped_events, milepost.projections,
  milepost.projection_dead_letters, milepost.projection_skipped_events to milepost_service, milepost_reader;
