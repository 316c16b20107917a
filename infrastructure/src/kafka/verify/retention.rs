//! What retention explains: which records may be gone from the beginning of a partition, and which may not.

use std::collections::HashMap;
use std::time::Duration;

/// Why the log has an event and its topic no record of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// It is older than retention keeps records, and those before the first on its partition are gone.
    Expired,
    /// It stood before the first record on its partition, or that has none any more; but it is not old enough to have
    /// expired. Whether it was ever there, nothing on the topic tells.
    Unknown,
    /// Records from before it are on its partition, so it was never there.
    Lost,
}

/// The partitions of a topic whose beginning is gone.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    /// By partition: the position of the first record that is left, if one is.
    first_left: HashMap<i32, Option<i64>>,
}

impl Cuts {
    /// Offsets of this partition do not begin at 0 any more.
    pub(super) fn cut(&mut self, partition: i32) {
        self.first_left.entry(partition).or_default();
    }

    /// A record is on a partition. The relay sends in the order of positions, so the first is the lowest.
    pub(super) fn saw(&mut self, partition: i32, position: i64) {
        if let Some(first) = self.first_left.get_mut(&partition) {
            *first = Some(first.map_or(position, |first| first.min(position)));
        }
    }

    /// What became of a record that is not on its partition.
    pub(super) fn gone(&self, partition: i32, position: i64, age: Duration, kept_for: Option<Duration>) -> Gone {
        match self.first_left.get(&partition) {
            Some(first) if first.is_none_or(|first| position < first) => match kept_for {
                Some(kept_for) if age > kept_for => Gone::Expired,
                Some(_) | None => Gone::Unknown,
            },
            Some(_) | None => Gone::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_cut_from_one_partition_explains_nothing_on_another() {
        let mut cuts = Cuts::default();
        cuts.cut(0);
        cuts.saw(0, 10_000);
        cuts.saw(0, 10_001);
        cuts.saw(1, 3);
        assert_eq!(cuts.gone(0, 500, 8 * DAY, Some(7 * DAY)), Gone::Expired);
        assert_eq!(cuts.gone(0, 10_050, 8 * DAY, Some(7 * DAY)), Gone::Lost);
        assert_eq!(cuts.gone(1, 500, 8 * DAY, Some(7 * DAY)), Gone::Lost);
    }

    #[test]
    fn what_is_gone_before_its_time_cannot_be_checked() {
        let mut cuts = Cuts::default();
        cuts.cut(0);
        assert_eq!(cuts.gone(0, 500, 6 * DAY, Some(7 * DAY)), Gone::Unknown);
        assert_eq!(cuts.gone(0, 500, 8 * DAY, Some(7 * DAY)), Gone::Expired);
        assert_eq!(cuts.gone(0, 500, 8 * DAY, None), Gone::Unknown, "kept for ever");
        cuts.saw(0, 600);
        assert_eq!(cuts.gone(0, 500, 6 * DAY, Some(7 * DAY)), Gone::Unknown);
        assert_eq!(cuts.gone(0, 601, 6 * DAY, Some(7 * DAY)), Gone::Lost);
    }
}
