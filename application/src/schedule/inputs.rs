//! Inputs of schedule commands.

use crate::inputs::{Checks, Refusal};
use crate::inputs::{DueInput, Patch, Wire};
use domain::ids::{ProjectId, ScheduleId, TaskId};
use domain::schedule::{CreateSchedule, ScheduleCommand, UpdateSchedule};
use domain::values::{InvalidValue, Threshold, ThresholdUnit, Thresholds, Title};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A time before the due instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThresholdInput {
    pub amount: i64,
    pub unit: Wire<ThresholdUnit>,
}

/// Input of `scheduleCreate`. Without a project and a task it creates a milestone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleCreateInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<Uuid>,
    pub title: String,
    pub due: DueInput,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<ThresholdInput>>,
}

/// Input of `scheduleUpdate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleUpdateInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub title: Patch<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub thresholds: Patch<Vec<ThresholdInput>>,
}

/// Input of `scheduleReschedule`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleRescheduleInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
    pub due: DueInput,
}

/// Input of commands that take only a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleInput {
    #[serde(default, skip_serializing)]
    pub command_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    pub id: Uuid,
}

/// A checked wish about a schedule.
pub(crate) struct ScheduleOrder {
    /// `None`: a new schedule gets a new id.
    pub(crate) id: Option<ScheduleId>,
    pub(crate) expected_version: Option<i64>,
    pub(crate) wish: ScheduleCommand,
}

fn order(id: Uuid, expected_version: Option<i64>, wish: ScheduleCommand) -> ScheduleOrder {
    ScheduleOrder { id: Some(ScheduleId(id)), expected_version, wish }
}

fn thresholds(checks: &mut Checks, given: Vec<ThresholdInput>) -> Option<Thresholds> {
    let given: Vec<_> = given
        .into_iter()
        .enumerate()
        .map(|(index, t)| checks.value(&format!("thresholds.{index}.amount"), Threshold::new(t.amount, t.unit.0)))
        .collect();
    let given: Option<Vec<Threshold>> = given.into_iter().collect();
    given.and_then(|given| checks.value("thresholds", Thresholds::new(given)))
}

impl ScheduleCreateInput {
    pub(crate) fn parse(self) -> Result<ScheduleOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let title = checks.value("title", Title::new(self.title));
        let due = self.due.parse(&mut checks, "due");
        let thresholds = match self.thresholds {
            Some(given) => thresholds(&mut checks, given),
            None => Some(Thresholds::default()),
        };
        let create = (|| {
            Some(CreateSchedule {
                project_id: self.project_id.map(ProjectId),
                task_id: self.task_id.map(TaskId),
                title: title?,
                due: due?,
                thresholds: thresholds?,
            })
        })();
        let create = checks.finish(create)?;
        Ok(ScheduleOrder { id: self.id.map(ScheduleId), expected_version: None, wish: ScheduleCommand::Create(Box::new(create)) })
    }
}

impl ScheduleUpdateInput {
    pub(crate) fn parse(self) -> Result<ScheduleOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let update = UpdateSchedule {
            title: self.title.required(&mut checks, "title", Title::new),
            thresholds: match self.thresholds {
                Patch::Absent => None,
                Patch::Null => checks.value(
                    "thresholds",
                    Err(InvalidValue::new("thresholds cannot be null; omit them to keep the current ones, or pass [] for none")),
                ),
                Patch::Value(given) => thresholds(&mut checks, given),
            },
        };
        let update = checks.finish(Some(update))?;
        Ok(order(self.id, self.expected_version, ScheduleCommand::Update(update)))
    }
}

impl ScheduleRescheduleInput {
    pub(crate) fn parse(self) -> Result<ScheduleOrder, Vec<Refusal>> {
        let mut checks = Checks::default();
        let due = self.due.parse(&mut checks, "due");
        let due = checks.finish(due)?;
        Ok(order(self.id, self.expected_version, ScheduleCommand::Reschedule(due)))
    }
}

impl ScheduleInput {
    pub(crate) fn meet(self) -> ScheduleOrder {
        order(self.id, self.expected_version, ScheduleCommand::Meet)
    }

    pub(crate) fn delete(self) -> ScheduleOrder {
        order(self.id, self.expected_version, ScheduleCommand::Delete)
    }
}
