create index if not exists project_overview_v{v}_collaborators on milepost.project_overview_v{v} using gin (collaborators jsonb_path_ops);
