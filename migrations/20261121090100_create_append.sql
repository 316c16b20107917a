-- milepost.append: one call appends a batch of units, each all or nothing, under the lock of log_head.
--
-- A unit is what one command appends: events on one or several streams, the claims and releases of unique values, guards
-- (versions of other aggregates that the decision relied on) and draws (numbers taken from counters under the lock).
-- A unit without events settles a command whose effect was already there; its guards prove that it was. Or it records that a
-- line of an import was refused.
--
--   u_*  units: workspace, source, command id (or null), request hash, number of events, index of its first event
--   s_first  index of the first event of each (unit, stream); its sequence is the expected version plus 1
--   e_*  events in order, a unit's events together; e_unit is the unit's number, and so is e_first on its first event, null on the others
--   m_metadata  distinct metadata, since a unit's events mostly share theirs; e_metadata says which is an event's
--   v_*  versions that guards ask for, each once, since many commands rely on one and the same project
--   g_*  guards (g_version by index)   c_*  claims   r_*  releases: each with its unit's number; null when there are none
--   k_counter  distinct counters; d_*  draws: counter (by index), event, and place of the digit 0 in its payload to put the number in
--   z_*  units without events: number, aggregate, its version; z_refusal null, or code, message and path of the refusal to record
--   l_*  lines of an import: number of the unit, hash of the line, and whether a refusal recorded before does not count; null when there are none
--
-- Answer: base, the position before the batch, and at. u_code null: every unit was appended in order, at base + 1, base + 2, …
-- Otherwise for each unit u_code: 0 appended, 1 done before (same request), 2 command id used by another request, 3 stream moved,
-- 4 guard moved, 5 claim taken, 6 the line was refused before; u_from, u_to: its positions (0, 1); u_found: version of its aggregate (1), or what was found (3, 4);
-- u_aggregate: its aggregate (1), or the one that moved (3, 4), or the claim's holder (5). d_value: numbers drawn, null where the unit was not appended.
-- z_position: last position of the aggregate, for units without events; 0 for refusals that were recorded. u_refusal: code, message and path of the refusal recorded before (6).
--
-- The caller sends no two units that share a stream, command, claim or written guard (it lets the later one wait), so a unique
-- violation is impossible; if one happens, the batch fails loudly. Several statements on purpose: each takes a new snapshot, and
-- those after the lock see every earlier batch. One statement, or REPEATABLE READ, would decide on stale rows.
create function milepost.append(
  u_workspace uuid[], u_source smallint[], u_command uuid[], u_hash bytea[], u_size int[], u_first int[],
  s_first int[],
  e_unit int[], e_first int[], e_aggregate_type text[], e_aggregate text[], e_sequence bigint[], e_id uuid[], e_type text[], e_version text[],
  e_payload text[], e_metadata int[],
  m_metadata jsonb[],
  v_aggregate text[], v_version bigint[], g_unit int[], g_version int[],
  c_unit int[], c_kind text[], c_value text[],
  r_unit int[], r_kind text[], r_value text[],
  k_counter text[], d_slot int[], d_event int[], d_at int[],
  z_unit int[], z_aggregate text[], z_version bigint[], z_refusal jsonb[],
  l_unit int[], l_hash bytea[], l_anew boolean[],
  out base bigint, out at timestamptz,
  out u_code int[], out u_from bigint[], out u_to bigint[], out u_found bigint[], out u_aggregate text[],
  out d_value bigint[], out z_position bigint[], out u_refusal jsonb[])
language plpgsql set search_path = milepost, pg_temp as $$
declare
  units int := cardinality(u_size);
  events_count int := coalesce(cardinality(e_unit), 0);
  moved_streams int[];
  known_commands int[];
  moved_versions int[];
  moved_guards int[] := '{}';
  taken_claims int[] := '{}';
  refused_before int[] := '{}';
  bad boolean[];
  last_values bigint[];
  first_values bigint[];
  old record;
  i int; k int; s int; p bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'append needs READ COMMITTED, not %', current_setting('transaction_isolation') using errcode = '25001';
  end if;
  perform from log_head for update;

  select tail.position, greatest(tail.recorded_at, date_trunc('milliseconds', clock_timestamp())),
    array(select f from unnest(s_first) f
          where coalesce((select e.sequence from events e where e.aggregate_id = e_aggregate[f] order by e.sequence desc limit 1), 0) <> e_sequence[f] - 1),
    array(select u from generate_series(1, units) u
          where u_command[u] is not null
            and coalesce((select true from events e
                          where e.workspace_id = u_workspace[u] and e.command_source = u_source[u] and e.command_id = u_command[u]),
                         (select true from settled_commands c
                          where c.workspace_id = u_workspace[u] and c.command_source = u_source[u] and c.command_id = u_command[u])))
  into base, at, moved_streams, known_commands
  from (values (1)) one
  left join lateral (select e.position, e.recorded_at from events e order by e.position desc limit 1) tail on true;
  base := coalesce(base, 0);

  if g_unit is not null then
    moved_versions := array(
      select v.i from unnest(v_aggregate, v_version) with ordinality v(aggregate, version, i)
      where coalesce((select e.sequence from events e where e.aggregate_id = v.aggregate order by e.sequence desc limit 1), 0) <> v.version);
    if moved_versions <> '{}' then
      moved_guards := array(select x from generate_series(1, cardinality(g_unit)) x where g_version[x] = any(moved_versions));
    end if;
  end if;
  if c_unit is not null then
    taken_claims := array(
      select c.i from unnest(c_unit, c_kind, c_value) with ordinality c(unit, kind, value, i)
      where (select true from claims held
             where held.workspace_id = u_workspace[c.unit] and held.kind = c.kind and held.value = c.value));
  end if;
  if l_unit is not null then
    refused_before := array(
      select l.i from unnest(l_unit, l_hash, l_anew) with ordinality l(unit, hash, anew, i)
      where not l.anew
        and (select true from refused_lines r
             where r.workspace_id = u_workspace[l.unit] and r.command_source = u_source[l.unit] and r.command_id = u_command[l.unit]
               and r.line_hash = l.hash));
  end if;

  if moved_streams <> '{}' or known_commands <> '{}' or moved_guards <> '{}' or taken_claims <> '{}' or refused_before <> '{}' then
    -- Judge the bad units, first by command id: a repeated command is answered, whatever became of its streams since, and so is a line.
    bad := array_fill(false, array[units]);
    u_code := array_fill(0, array[units]);
    u_from := array_fill(null::bigint, array[units]);
    u_to := u_from; u_found := u_from;
    u_aggregate := array_fill(null::text, array[units]);
    foreach k in array known_commands loop
      bad[k] := true;
      select e.request_hash, e.position as first, e.position + e.unit_size - 1 as last, e.aggregate_id,
        (select max(l.sequence) from events l
         where l.position between e.position and e.position + e.unit_size - 1 and l.aggregate_id = e.aggregate_id) as version
      into old from events e
      where e.workspace_id = u_workspace[k] and e.command_source = u_source[k] and e.command_id = u_command[k]
      union all
      select c.request_hash, c.position, c.position, c.aggregate_id, c.version
      from settled_commands c
      where c.workspace_id = u_workspace[k] and c.command_source = u_source[k] and c.command_id = u_command[k];
      if old.request_hash = u_hash[k] then
        u_code[k] := 1; u_from[k] := old.first; u_to[k] := old.last; u_found[k] := old.version; u_aggregate[k] := old.aggregate_id;
      else
        u_code[k] := 2;
      end if;
    end loop;
    foreach i in array refused_before loop
      k := l_unit[i];
      -- Another line under its id may have been carried out since; this one is still the one that was refused.
      continue when u_code[k] = 1;
      if u_refusal is null then
        u_refusal := array_fill(null::jsonb, array[units]);
      end if;
      bad[k] := true; u_code[k] := 6;
      u_refusal[k] := (select jsonb_build_object('code', r.code, 'message', r.message, 'path', r.path) from refused_lines r
                       where r.workspace_id = u_workspace[k] and r.command_source = u_source[k] and r.command_id = u_command[k]
                         and r.line_hash = l_hash[i]);
    end loop;
    foreach i in array moved_streams loop
      k := e_unit[i];
      continue when bad[k];
      bad[k] := true; u_code[k] := 3; u_aggregate[k] := e_aggregate[i];
      u_found[k] := coalesce((select e.sequence from events e where e.aggregate_id = e_aggregate[i] order by e.sequence desc limit 1), 0);
    end loop;
    foreach i in array moved_guards loop
      k := g_unit[i];
      continue when bad[k];
      bad[k] := true; u_code[k] := 4; u_aggregate[k] := v_aggregate[g_version[i]];
      u_found[k] := coalesce((select e.sequence from events e where e.aggregate_id = u_aggregate[k] order by e.sequence desc limit 1), 0);
    end loop;
    foreach i in array taken_claims loop
      k := c_unit[i];
      continue when bad[k];
      bad[k] := true; u_code[k] := 5;
      u_aggregate[k] := (select held.held_by from claims held
                         where held.workspace_id = u_workspace[k] and held.kind = c_kind[i] and held.value = c_value[i]);
    end loop;
    p := base;
    for k in 1..units loop
      if not bad[k] then
        u_from[k] := p + 1;
        p := p + u_size[k];
        u_to[k] := p;
      end if;
    end loop;
  end if;

  if d_event is not null then
    last_values := array(
      select coalesce((select d.value from draws d where d.counter = c.counter order by d.value desc limit 1), 0)
      from unnest(k_counter) with ordinality c(counter, i) order by c.i);
    first_values := last_values;
    d_value := array_fill(null::bigint, array[cardinality(d_event)]);
    for i in 1..cardinality(d_event) loop
      continue when bad is not null and bad[e_unit[d_event[i]]];
      s := d_slot[i];
      last_values[s] := last_values[s] + 1;
      d_value[i] := last_values[s];
      e_payload[d_event[i]] := overlay(e_payload[d_event[i]] placing last_values[s]::text from d_at[i] for 1);
    end loop;
    insert into draws (counter, value)
    select k_counter[x], last_values[x] from generate_series(1, cardinality(k_counter)) x where last_values[x] > first_values[x];
  end if;

  if bad is null then
    insert into events (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, payload, metadata,
                        recorded_at, command_source, command_id, request_hash, unit_size)
    select base + x, u_workspace[e_unit[x]], e_aggregate_type[x], e_aggregate[x], e_sequence[x], e_id[x], e_type[x], e_version[x],
      e_payload[x]::json, m_metadata[e_metadata[x]], at, u_source[e_first[x]], u_command[e_first[x]], u_hash[e_first[x]], u_size[e_first[x]]
    from generate_series(1, events_count) x;
  elsif p > base then
    insert into events (position, workspace_id, aggregate_type, aggregate_id, sequence, event_id, event_type, event_version, payload, metadata,
                        recorded_at, command_source, command_id, request_hash, unit_size)
    select u_from[e_unit[x]] + x - u_first[e_unit[x]], u_workspace[e_unit[x]], e_aggregate_type[x], e_aggregate[x], e_sequence[x], e_id[x], e_type[x], e_version[x],
      e_payload[x]::json, m_metadata[e_metadata[x]], at, u_source[e_first[x]], u_command[e_first[x]], u_hash[e_first[x]], u_size[e_first[x]]
    from generate_series(1, events_count) x
    where not bad[e_unit[x]];
  end if;

  if r_unit is not null then
    delete from claims held using unnest(r_unit, r_kind, r_value) r(unit, kind, value)
    where (bad is null or not bad[r.unit]) and held.workspace_id = u_workspace[r.unit] and held.kind = r.kind and held.value = r.value;
  end if;
  if c_unit is not null then
    insert into claims (workspace_id, kind, value, held_by, position)
    select u_workspace[c.unit], c.kind, c.value, e_aggregate[u_first[c.unit]], case when bad is null then base + u_first[c.unit] else u_from[c.unit] end
    from unnest(c_unit, c_kind, c_value) c(unit, kind, value)
    where bad is null or not bad[c.unit];
  end if;

  if z_unit is not null then
    z_position := array_fill(null::bigint, array[cardinality(z_unit)]);
    for i in 1..cardinality(z_unit) loop
      k := z_unit[i];
      continue when bad is not null and bad[k];
      if z_refusal[i] is not null then
        insert into refused_lines (workspace_id, command_source, command_id, line_hash, code, message, path, refused_at)
        values (u_workspace[k], u_source[k], u_command[k], l_hash[array_position(l_unit, k)], z_refusal[i] ->> 'code', z_refusal[i] ->> 'message',
          array(select jsonb_array_elements_text(z_refusal[i] -> 'path')), at)
        on conflict (workspace_id, command_source, command_id, line_hash)
        do update set code = excluded.code, message = excluded.message, path = excluded.path, refused_at = excluded.refused_at;
        z_position[i] := 0;
        continue;
      end if;
      z_position[i] := coalesce((select e.position from events e where e.aggregate_id = z_aggregate[i] order by e.sequence desc limit 1), 0);
      if u_command[k] is not null then
        insert into settled_commands (workspace_id, command_source, command_id, request_hash, aggregate_id, version, position, settled_at)
        values (u_workspace[k], u_source[k], u_command[k], u_hash[k], z_aggregate[i], z_version[i], z_position[i], at);
      end if;
    end loop;
  end if;
end
$$;
