-- How a node proves on every new connection that what it has in memory of the log can still be true.

-- Which life of the server this is. PostgreSQL empties an unlogged table when it recovers from a crash and when a standby is
-- promoted: then what was committed without waiting for the disk may be lost, and the log itself may be an older one.
create unlogged table milepost.incarnation (
  only_row  boolean  not null primary key default true check (only_row),
  id        uuid     not null default gen_random_uuid()
);

-- proof: changes whenever anything of the database may have been lost: by a crash, a failover, another data folder, another
-- database, or tables that were made anew from a dump. head, head_event: the last position and its event, 0 and null in an empty
-- log. known_event: the event at a position that the caller knows, null if there is none; another one than the caller knows means
-- that the log went back. Whoever comes first after a crash creates the row anew, whatever its role. On a standby, and on a server
-- that only reads, there may be none: nothing can be committed there that could be lost, and once it can, the proof is another.
create function milepost.prove(known bigint, out proof text, out head bigint, out head_event uuid, out known_event uuid)
language plpgsql security definer set search_path = milepost, pg_temp as $$
declare
  life uuid;
begin
  if not pg_is_in_recovery() then
    select i.id into life from incarnation i;
  end if;
  if life is null and not current_setting('transaction_read_only')::boolean then
    insert into incarnation default values on conflict do nothing;
    -- A new snapshot: the row may be that of another connection.
    select i.id into life from incarnation i;
  end if;
  select concat_ws(' ', coalesce(life::text, 'read-only'), l.id, extract(epoch from pg_postmaster_start_time()), d.oid, 'milepost.events'::regclass::oid)
  into proof from log_identity l, pg_database d where d.datname = current_database();
  select e.position, e.event_id into head, head_event from events e order by e.position desc limit 1;
  head := coalesce(head, 0);
  select e.event_id into known_event from events e where e.position = known;
end
$$;

revoke execute on function milepost.prove(bigint) from public;
grant execute on function milepost.prove(bigint) to milepost_worker, milepost_service;
