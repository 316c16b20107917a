//! Events of schedules.

use super::words::{due, listed};
use domain::schedule::{ScheduleChanges, ScheduleEvent};
use domain::values::{Threshold, ThresholdUnit};

/// Raise it with every change of the sentences below, and with a new event: it counts in the number of the read model.
pub(super) const VERSION: u32 = 2;

/// An event of a schedule in a sentence.
pub(super) fn summary(event: &ScheduleEvent) -> String {
    match event {
        ScheduleEvent::ScheduleCreated(created) => format!("scheduled “{}” for {}", created.title, due(&created.due)),
        ScheduleEvent::ScheduleUpdated(updated) => {
            let ScheduleChanges { title, thresholds } = &updated.changes;
            let mut parts = vec![];
            title.iter().for_each(|title| parts.push(format!("the title to “{}”", title.to)));
            thresholds.iter().for_each(|thresholds| {
                let leads: Vec<_> = thresholds.to.iter().map(|threshold| lead(threshold.lead())).collect();
                parts.push(format!("the warnings to {}", if leads.is_empty() { "none".to_owned() } else { leads.join(", ") }));
            });
            format!("changed {}", listed(&parts))
        }
        ScheduleEvent::ScheduleRescheduled(moved) => format!("moved it from {} to {}", due(&moved.from), due(&moved.to)),
        ScheduleEvent::ScheduleReopened(reopened) => format!("rescheduled “{}” for {}", reopened.title, due(&reopened.due)),
        ScheduleEvent::ScheduleDeleted(deleted) => format!("deleted “{}”", deleted.title),
        ScheduleEvent::DeadlineApproaching(fired) => {
            format!("“{}” is due {}, within {}", fired.title, due(&fired.due), lead(fired.threshold))
        }
        ScheduleEvent::DeadlineOverdue(fired) => format!("“{}” was due {} and is overdue", fired.title, due(&fired.due)),
        ScheduleEvent::DeadlineMet(met) => format!("met “{}”, due {}", met.title, due(&met.due)),
    }
}

fn lead(threshold: Threshold) -> String {
    let unit = match (threshold.unit, threshold.amount) {
        (ThresholdUnit::Minutes, 1) => "minute",
        (ThresholdUnit::Hours, 1) => "hour",
        (ThresholdUnit::Days, 1) => "day",
        (unit, _) => unit.word(),
    };
    format!("{} {unit}", threshold.amount)
}
