-- What the scheduler reads: its cost grows with what is due, not with what exists.
create index if not exists schedules_v{v}_next on milepost.schedules_v{v} (next_fire_at, id) where next_fire_at is not null and not project_at_rest and not hidden;
create index if not exists schedules_v{v}_due on milepost.schedules_v{v} (workspace_id, due_at, id) where not hidden;
