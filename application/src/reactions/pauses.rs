//! Pauses between tries.

use std::time::Duration;

/// Pause before a parked event is tried again for the first time; it doubles with each try.
pub const PARKED_PAUSE_MIN: Duration = Duration::from_secs(5);
/// Longest such pause.
pub const PARKED_PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// How long a parked event that was tried so often waits.
pub(super) fn parked_pause(tries: u32, random: u64) -> Duration {
    let doubled = tries.saturating_sub(1).min(20);
    with_jitter(PARKED_PAUSE_MIN.saturating_mul(1 << doubled).min(PARKED_PAUSE_MAX), random)
}

/// Up to a quarter more or less, so that what failed together is not tried together for ever.
pub(super) fn with_jitter(pause: Duration, random: u64) -> Duration {
    pause.mul_f64(0.75 + (random % 1_000) as f64 / 2_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_one() {
        let least = |tries| parked_pause(tries, 0).as_secs_f64() / 0.75;
        assert_eq!([1, 2, 3, 10, 11, 99].map(least), [5.0, 10.0, 20.0, 2_560.0, 3_600.0, 3_600.0]);
        assert!(parked_pause(1, 999) < PARKED_PAUSE_MIN.mul_f64(1.25) && parked_pause(1, 500) == PARKED_PAUSE_MIN);
    }
}
