create index if not exists task_comments_v{v}_task on milepost.task_comments_v{v} (task_id, position);
