create index if not exists deadline_log_v{v}_schedule on milepost.deadline_log_v{v} (schedule_id, position);
create index if not exists deadline_log_v{v}_workspace on milepost.deadline_log_v{v} (workspace_id, position) where not hidden;
