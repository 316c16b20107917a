//! Chance that can be repeated.

/// Numbers that follow from a seed.
pub struct Dice {
    state: u64,
}

impl Dice {
    /// By the seed in the variable MILEPOST_TEST_SEED, or else by a new one. It is printed, and shown when the test fails.
    pub fn thrown() -> Self {
        let given = std::env::var("MILEPOST_TEST_SEED").ok().map(|seed| seed.parse().expect("MILEPOST_TEST_SEED is a whole number"));
        let seed = given.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().1);
        eprintln!("to repeat this: MILEPOST_TEST_SEED={seed}");
        Self { state: seed }
    }

    /// Other dice that follow from the same seed, for somebody who throws at the same time.
    pub fn another(&mut self) -> Self {
        Self { state: self.roll() }
    }

    /// The next number (splitmix64).
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    /// True that many times of a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.roll() % 100 < times
    }

    /// An id.
    pub fn uuid(&mut self) -> uuid::Uuid {
        uuid::Uuid::from_u64_pair(self.roll(), self.roll())
    }

    /// One of several.
    pub fn one_of<'a, T>(&mut self, several: &'a [T]) -> &'a T {
        &several[self.below(several.len())]
    }
}
