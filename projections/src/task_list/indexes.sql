create index if not exists task_list_v{v}_created on milepost.task_list_v{v} (workspace_id, created_at, id) where not hidden;
create index if not exists task_list_v{v}_due on milepost.task_list_v{v} (workspace_id, due_at, id) where due_at is not null and status not in ('done', 'cancelled') and not hidden;
create index if not exists task_list_v{v}_due_in_project on milepost.task_list_v{v} (project_id, due_at) where due_at is not null and status not in ('done', 'cancelled') and not hidden;
create index if not exists task_list_v{v}_assignees on milepost.task_list_v{v} using gin (assignee_ids) where assignee_ids <> '{}' and not hidden;
create index if not exists task_list_v{v}_tags on milepost.task_list_v{v} using gin (tags) where tags <> '{}' and not hidden;
create index if not exists task_list_v{v}_former_keys on milepost.task_list_v{v} using gin (former_keys) where former_keys <> '{}';
