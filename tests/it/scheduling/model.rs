//! What a schedule must do, in a few lines.

use super::audit::Firing;
use super::calendar::When;
use chrono::{DateTime, Utc};
use domain::values::Threshold;
use uuid::Uuid;

/// A schedule as it should be.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) id: Uuid,
    pub(super) life: Life,
    pub(super) when: When,
    revision: i64,
    leads: Vec<Threshold>,
    fired_through: Option<DateTime<Utc>>,
    pub(super) firings: Vec<Firing>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Life {
    Waiting,
    Met,
    Deleted,
}

impl Model {
    pub(super) fn new(id: Uuid, when: When, leads: Vec<Threshold>) -> Self {
        Self { id, life: Life::Waiting, when, revision: 1, leads, fired_through: None, firings: vec![] }
    }

    pub(super) fn reschedule(&mut self, when: When) {
        if self.when != when {
            self.revision += 1;
            self.when = when;
            self.fired_through = None;
        }
    }

    pub(super) fn warn(&mut self, leads: Vec<Threshold>) {
        self.leads = leads;
    }

    /// The next moment that will fire.
    pub(super) fn next(&self) -> Option<DateTime<Utc>> {
        self.pending().first().copied()
    }

    /// It is this late by now: what has passed fires.
    pub(super) fn pass(&mut self, now: DateTime<Utc>) {
        let Some(scheduled_for) = self.pending().into_iter().rfind(|moment| *moment <= now) else { return };
        let reached = self.leads.iter().filter(|lead| self.when.before(**lead) == scheduled_for && scheduled_for < self.when.at());
        self.firings.push(Firing {
            schedule: self.id,
            revision: self.revision,
            // Leads that fall together fire as the one of the smallest unit.
            threshold: reached.min_by_key(|lead| (lead.unit, lead.amount)).copied(),
            scheduled_for,
            fired_at: now,
            late_by_ms: (now - scheduled_for).num_milliseconds(),
        });
        self.fired_through = Some(scheduled_for);
    }

    fn pending(&self) -> Vec<DateTime<Utc>> {
        if self.life != Life::Waiting {
            return vec![];
        }
        let moments = self.when.moments(&self.leads).into_iter();
        moments.filter(|moment| self.fired_through.is_none_or(|fired| *moment > fired)).collect()
    }
}
