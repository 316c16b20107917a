//! What retention explains: which records may be gone from the beginning of a partition, and which may not.

use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

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

/// The partitions of a topic whose beginning is gone, and how many partitions there are.
#[derive(Debug)]
pub(super) struct Cuts {
    partitions: usize,
    /// By partition: the position of the first record that is left, if one is.
    first_left: HashMap<i32, Option<i64>>,
}

impl Cuts {
    pub(super) fn of(partitions: usize) -> Self {
        Self { partitions, first_left: HashMap::new() }
    }

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

    /// The partition that the relay's producer gives a key.
    pub(super) fn partition_of(&self, key: Uuid) -> i32 {
        partition_of(key, self.partitions)
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

/// murmur2, as Java's client does.
fn partition_of(key: Uuid, partitions: usize) -> i32 {
    let hash = murmur2(key.to_string().as_bytes()) & 0x7fff_ffff;
    i32::try_from(hash as usize % partitions.max(1)).unwrap_or(0)
}

fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, &byte| (tail << 8) | u32::from(byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn keys_are_hashed_as_kafkas_own_client_hashes_them() {
        // From the tests of librdkafka, made with the Java client.
        let known: [(&str, u32); 6] = [
            ("kafka", 0xd067_cf64),
            ("giberish123456789", 0x8f55_2b0c),
            ("1234", 0x9fc9_7b14),
            ("234", 0xe7c0_09ca),
            ("34", 0x8739_30da),
            ("4", 0x5a4b_5ca1),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn what_is_cut_from_one_partition_explains_nothing_on_another() {
        let mut cuts = Cuts::of(2);
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
        let mut cuts = Cuts::of(1);
        cuts.cut(0);
        assert_eq!(cuts.gone(0, 500, 6 * DAY, Some(7 * DAY)), Gone::Unknown);
        assert_eq!(cuts.gone(0, 500, 8 * DAY, Some(7 * DAY)), Gone::Expired);
        assert_eq!(cuts.gone(0, 500, 8 * DAY, None), Gone::Unknown, "kept for ever");
        cuts.saw(0, 600);
        assert_eq!(cuts.gone(0, 500, 6 * DAY, Some(7 * DAY)), Gone::Unknown);
        assert_eq!(cuts.gone(0, 601, 6 * DAY, Some(7 * DAY)), Gone::Lost);
    }
}
