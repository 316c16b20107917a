create index if not exists activity_v{v}_subject on milepost.activity_v{v} (subject_id, position);
create index if not exists activity_v{v}_event on milepost.activity_v{v} (event_id);
