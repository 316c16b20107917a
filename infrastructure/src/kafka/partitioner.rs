//! Which partition a key belongs to: that of Java's default partitioner, by the number of partitions in the catalogue.
//!
//! By the catalogue's number and not by what the brokers have, so that every key stays where its earlier records are when
//! a topic is given more partitions.

/// The partition of a key on a topic with so many partitions.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    // The hash without its sign fits, and a catalogue has at least one partition.
    (murmur2(key) & 0x7fff_ffff) as i32 % partitions.max(1)
}

/// The hash of Java's client.
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
    fn the_sign_of_the_hash_is_dropped_before_the_remainder_is_taken() {
        // 0xd067_cf64 without its sign is 1,348,980,580.
        assert_eq!(partition_of(b"kafka", 3), 1_348_980_580 % 3);
        assert_eq!(partition_of(b"kafka", 7), 1_348_980_580 % 7);
        assert_eq!(partition_of(b"34", 1), 0);
    }
}
