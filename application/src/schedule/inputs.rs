//! Inputs of commands on schedules, and how they become commands of the domain.

use crate::executor::{Checked, Request};
use crate::input::{Checks, Id, Int, Patch, Text, ThresholdUnit, define_inputs};
use crate::task::inputs::DueInput;
use domain::ids::{ProjectId, TaskId};
use domain::schedule::{CreateSchedule, ScheduleCommand, UpdateSchedule};
use domain::values::{InvalidValue, Threshold, Thresholds, Title};

/// The inputs of commands on schedules, as `$define` makes them: see [`define_inputs`] for the form of a row.
#[macro_export]
macro_rules! schedule_inputs {
    ($define:ident) => {
        $define! {
            /// A time before the due instant.
            input ThresholdInput {
                /// Number of units, at most ten years in total.
                amount: Int,
                /// Unit.
                unit: ThresholdUnit,
            }

            /// Input of `scheduleCreate`. Without a project and a task it creates a milestone.
            input ScheduleCreateInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// ID of the new schedule, a UUID. Generated if omitted.
                id: Option<Id>,
                /// The project of the schedule.
                project_id: Option<Id>,
                /// The task of the schedule, if any.
                task_id: Option<Id>,
                /// One line of 1 to 200 characters.
                title: Text,
                /// When it is due. A date without a time zone ends in the time zone of the project; for a milestone in UTC.
                due: DueInput,
                /// Thresholds at which it warns, at most 20. 3 days if omitted.
                thresholds: Option<Vec<ThresholdInput>>,
            }

            /// Input of `scheduleUpdate`. An omitted field keeps its value.
            input ScheduleUpdateInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
                expected_version: Option<Int>,
                /// The schedule.
                id: Id,
            } patch {
                /// One line of 1 to 200 characters.
                title: Text,
                /// Thresholds at which it warns, at most 20, replacing the current ones; [] for none.
                thresholds: Vec<ThresholdInput>,
            }

            /// Input of `scheduleReschedule`.
            input ScheduleRescheduleInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if the due instant has changed since this version.
                expected_version: Option<Int>,
                /// The schedule.
                id: Id,
                /// When it is due.
                due: DueInput,
            }

            /// Input of commands that take only a schedule.
            input ScheduleInput {
                /// Makes the command safe to retry: a UUID that you generate for each command.
                command_id: Option<Id>,
                /// Fails with VERSION_CONFLICT if a field that the command sets has changed since this version.
                expected_version: Option<Int>,
                /// The schedule.
                id: Id,
            }
        }
    };
}

schedule_inputs!(define_inputs);

fn check_thresholds(checks: &mut Checks, given: Vec<ThresholdInput>) -> Option<Thresholds> {
    let given: Vec<_> = given
        .into_iter()
        .enumerate()
        .map(|(index, t)| checks.value(&format!("thresholds.{index}.amount"), Threshold::new(t.amount, t.unit.0)))
        .collect();
    let given: Option<Vec<Threshold>> = given.into_iter().collect();
    given.and_then(|given| checks.value("thresholds", Thresholds::new(given)))
}

impl ScheduleCreateInput {
    pub(crate) fn request(self) -> Checked<ScheduleCommand> {
        let create = Checks::all(|checks| {
            let title = checks.value("title", Title::new(self.title));
            let due = self.due.check(checks, "due");
            let thresholds = match self.thresholds {
                Some(given) => check_thresholds(checks, given),
                None => Some(Thresholds::default()),
            };
            Some(CreateSchedule {
                project_id: self.project_id.map(ProjectId),
                task_id: self.task_id.map(TaskId),
                title: title?,
                due: due?,
                thresholds: thresholds?,
            })
        })?;
        Ok(Request::create(self.id, ScheduleCommand::Create(Box::new(create))))
    }
}

impl ScheduleUpdateInput {
    pub(crate) fn request(self) -> Checked<ScheduleCommand> {
        let not_null = "thresholds cannot be null; omit them to keep the current ones, or pass [] for none";
        let update = Checks::all(|checks| {
            Some(UpdateSchedule {
                title: self.title.required(checks, "title", Title::new),
                thresholds: match self.thresholds {
                    Patch::Absent => None,
                    Patch::Null => checks.value("thresholds", Err(InvalidValue::new(not_null))),
                    Patch::Value(given) => check_thresholds(checks, given),
                },
            })
        })?;
        Ok(Request::on(self.id, self.expected_version, ScheduleCommand::Update(update)))
    }
}

impl ScheduleRescheduleInput {
    pub(crate) fn request(self) -> Checked<ScheduleCommand> {
        let due = Checks::all(|checks| self.due.check(checks, "due"))?;
        Ok(Request::on(self.id, self.expected_version, ScheduleCommand::Reschedule(due)))
    }
}

impl ScheduleInput {
    pub(crate) fn request(self, command: ScheduleCommand) -> Checked<ScheduleCommand> {
        Ok(Request::on(self.id, self.expected_version, command))
    }
}
