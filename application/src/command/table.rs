//! The table of commands: everything that is decided once for each command stands in its row.

/// Gives the rows of all commands to the macro `$define`. `define_commands` makes [`Command`](crate::command::Command) of them, and
/// `api` makes the mutations of GraphQL. A row says
///
/// - what the command does, for the readers of the GraphQL schema, with the codes of its refusals,
/// - its variant, its input, the aggregate that it is a command on, and its name,
/// - and what [`Row`](crate::command::Row) asks for.
#[macro_export]
macro_rules! command_table {
    ($define:ident) => {
        $define! {
            /// Creates a project. The caller becomes its first owner. Refusals: KEY_TAKEN, DATE_RANGE, ID_TAKEN, INVALID_VALUE.
            ProjectCreate(ProjectCreateInput) -> Project = "projectCreate" => Row {
                needs: Need::Membership,
                uses: |input| Uses::new().changes(input.id).changes_key(&input.key),
                request: |input, _| input.request(),
            },
            /// Sets the given fields of a project, as one event. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, DATE_RANGE,
            /// INVALID_VALUE.
            ProjectUpdate(ProjectUpdateInput) -> Project = "projectUpdate" => Row {
                needs: Need::Project(Manager),
                // Days that are due are counted in the project's zone.
                uses: |input| if input.time_zone.is_absent() { Uses::new().changes(Some(input.id)) } else { Uses::WHOLE_PROJECT },
                request: |input, _| input.request(),
            },
            /// Archives a project: it, its tasks and its schedules become read-only, and no deadlines fire. Refusals:
            /// PROJECT_DELETED.
            ProjectArchive(ProjectInput) -> Project = "projectArchive" => Row {
                needs: Need::Project(Manager),
                uses: |_| Uses::WHOLE_PROJECT,
                request: |input, _| input.request(ProjectCommand::Archive),
            },
            /// Restores an archived project. Deadlines that passed while it was archived fire now. Refusals: PROJECT_DELETED.
            ProjectUnarchive(ProjectInput) -> Project = "projectUnarchive" => Row {
                needs: Need::Project(Manager),
                uses: |_| Uses::WHOLE_PROJECT,
                request: |input, _| input.request(ProjectCommand::Unarchive),
            },
            /// Deletes a project and its tasks permanently. Its key stays reserved.
            ProjectDelete(ProjectInput) -> Project = "projectDelete" => Row {
                needs: Need::Project(Owner),
                uses: |_| Uses::WHOLE_PROJECT,
                request: |input, _| input.request(ProjectCommand::Delete),
            },
            /// Adds a collaborator to a project. Refusals: ALREADY_A_COLLABORATOR, TOO_MANY_COLLABORATORS, PROJECT_ARCHIVED,
            /// PROJECT_DELETED.
            ProjectCollaboratorAdd(ProjectCollaboratorInput) -> Project = "projectCollaboratorAdd" => Row {
                // Of an owner, or to make one: only another owner may.
                needs: Need::Project(Manager),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.add(),
            },
            /// Changes the role of a collaborator. Refusals: NOT_A_COLLABORATOR, LAST_OWNER, PROJECT_ARCHIVED, PROJECT_DELETED.
            ProjectCollaboratorChangeRole(ProjectCollaboratorInput) -> Project = "projectCollaboratorChangeRole" => Row {
                // Of an owner, or to make one: only another owner may.
                needs: Need::Project(Manager),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.change_role(),
            },
            /// Removes a collaborator from a project. Refusals: NOT_A_COLLABORATOR, LAST_OWNER, PROJECT_ARCHIVED,
            /// PROJECT_DELETED.
            ProjectCollaboratorRemove(ProjectCollaboratorRemoveInput) -> Project = "projectCollaboratorRemove" => Row {
                needs: Need::ProjectOrOwn(Manager),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(),
            },
            /// Creates a task, as one event. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, ID_TAKEN, TOO_MANY_TAGS,
            /// TOO_MANY_ASSIGNEES, INVALID_VALUE.
            TaskCreate(TaskCreateInput) -> Task = "taskCreate" => Row {
                needs: Need::Project(Editor),
                uses: |input| Uses::new().changes(input.id).relies_on(Some(input.project_id)),
                request: |input, _| input.request(),
            },
            /// Sets the given fields of a task, as one event. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED,
            /// TOO_MANY_TAGS, INVALID_VALUE.
            TaskUpdate(TaskUpdateInput) -> Task = "taskUpdate" => Row {
                needs: Need::ProjectOrOwn(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(),
            },
            /// Adds an assignee to a task. Refusals: TASK_DONE, TOO_MANY_ASSIGNEES, PROJECT_ARCHIVED, PROJECT_DELETED,
            /// TASK_DELETED.
            TaskAssign(TaskAssigneeInput) -> Task = "taskAssign" => Row {
                needs: Need::Project(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(TaskCommand::Assign),
            },
            /// Removes an assignee from a task. Refusals: TASK_DONE, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
            TaskUnassign(TaskAssigneeInput) -> Task = "taskUnassign" => Row {
                needs: Need::ProjectOrOwn(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(TaskCommand::Unassign),
            },
            /// Changes the status of a task. Refusals: TRANSITION_NOT_ALLOWED, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED,
            /// INVALID_VALUE.
            TaskChangeStatus(TaskChangeStatusInput) -> Task = "taskChangeStatus" => Row {
                needs: Need::ProjectOrOwn(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(),
            },
            /// Changes the priority of a task. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
            TaskChangePriority(TaskChangePriorityInput) -> Task = "taskChangePriority" => Row {
                needs: Need::Project(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(),
            },
            /// Sets the due date of a task. A schedule is created or moved with it. Refusals: TASK_DONE, PROJECT_ARCHIVED,
            /// PROJECT_DELETED, TASK_DELETED, INVALID_VALUE.
            TaskSetDue(TaskSetDueInput) -> Task = "taskSetDue" => Row {
                needs: Need::Project(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(),
            },
            /// Clears the due date of a task. Refusals: TASK_DONE, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
            TaskClearDue(TaskInput) -> Task = "taskClearDue" => Row {
                needs: Need::Project(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(TaskCommand::ClearDue),
            },
            /// Marks a task as done. Refusals: TRANSITION_NOT_ALLOWED, PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
            TaskComplete(TaskInput) -> Task = "taskComplete" => Row {
                needs: Need::ProjectOrOwn(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(TaskCommand::Complete),
            },
            /// Reopens a done or cancelled task; its status becomes TODO. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED,
            /// TASK_DELETED.
            TaskReopen(TaskInput) -> Task = "taskReopen" => Row {
                needs: Need::ProjectOrOwn(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(TaskCommand::Reopen),
            },
            /// Moves a task to another project, where it gets a new key; the old key still resolves to it. Refusals: TASK_DONE,
            /// PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED.
            TaskMove(TaskMoveInput) -> Task = "taskMove" => Row {
                // In both projects.
                needs: Need::Project(Editor),
                // Moves may pass each other, so they only rely on the places that they change.
                uses: |input| Uses::new().changes(Some(input.id)).relies_on(Some(input.project_id)).relies_on_places(),
                request: |input, _| input.request(),
            },
            /// Adds a comment to a task. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED, TASK_DELETED, INVALID_VALUE.
            TaskComment(TaskCommentInput) -> Task = "taskComment" => Row {
                needs: Need::ProjectOrOwn(Viewer),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, ids| input.request(ids),
            },
            /// Deletes a task permanently. The payload shows its last state. Refusals: PROJECT_ARCHIVED, PROJECT_DELETED.
            TaskDelete(TaskInput) -> Task = "taskDelete" => Row {
                needs: Need::Project(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(TaskCommand::Delete),
            },
            /// Creates a schedule. Of thresholds that have already passed, only the last fires. Refusals: PROJECT_ARCHIVED,
            /// PROJECT_DELETED, TASK_DELETED, ID_TAKEN, TOO_MANY_THRESHOLDS, INVALID_VALUE.
            ScheduleCreate(ScheduleCreateInput) -> Schedule = "scheduleCreate" => Row {
                needs: Need::ProjectOrMilestone(Editor),
                uses: |input| Uses::new().changes(input.id).relies_on(input.project_id).relies_on(input.task_id),
                request: |input, _| input.request(),
            },
            /// Sets the given fields of a schedule. Refusals: FOLLOWS_TASK, SCHEDULE_DELETED, PROJECT_ARCHIVED,
            /// PROJECT_DELETED, TOO_MANY_THRESHOLDS, INVALID_VALUE.
            ScheduleUpdate(ScheduleUpdateInput) -> Schedule = "scheduleUpdate" => Row {
                needs: Need::ProjectOrMilestone(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(),
            },
            /// Changes when a schedule is due. This starts a new due revision; thresholds of the old one no longer fire.
            /// Refusals: FOLLOWS_TASK, SCHEDULE_MET, SCHEDULE_DELETED, PROJECT_ARCHIVED, PROJECT_DELETED, INVALID_VALUE.
            ScheduleReschedule(ScheduleRescheduleInput) -> Schedule = "scheduleReschedule" => Row {
                needs: Need::ProjectOrMilestone(Editor),
                uses: schedule_reschedule_uses,
                request: |input, _| input.request(),
            },
            /// Marks a schedule as met, so that it no longer fires. Refusals: FOLLOWS_TASK, SCHEDULE_DELETED, PROJECT_ARCHIVED,
            /// PROJECT_DELETED.
            ScheduleMeet(ScheduleInput) -> Schedule = "scheduleMeet" => Row {
                needs: Need::ProjectOrMilestone(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(ScheduleCommand::Meet),
            },
            /// Deletes a schedule permanently. Refusals: FOLLOWS_TASK, PROJECT_ARCHIVED, PROJECT_DELETED.
            ScheduleDelete(ScheduleInput) -> Schedule = "scheduleDelete" => Row {
                needs: Need::ProjectOrMilestone(Editor),
                uses: |input| Uses::new().changes(Some(input.id)),
                request: |input, _| input.request(ScheduleCommand::Delete),
            },
        }
    };
}
