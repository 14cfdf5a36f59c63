//! Numbers out of random words.

/// Numbers drawn from one random word: the smaller the word, the plainer the draws, which
/// is what proptest needs to make a failing case simple.
pub struct Draw(pub u128);

impl Draw {
    pub fn below(&mut self, bound: u64) -> u64 {
        let drawn = self.0 % u128::from(bound);
        self.0 /= u128::from(bound);
        drawn as u64
    }

    /// Whether it happens, once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == times - 1
    }

    /// One of these, the first the plainest.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// The generator of the seeded runs (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u128 {
        u128::from(self.half()) << 64 | u128::from(self.half())
    }

    fn half(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
