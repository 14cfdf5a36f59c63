//! Random numbers that are the same on every machine: integers only.

/// SplitMix64: small, fast, and good enough for a market.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: u64,
}

/// One, in the fixed-point numbers of this module and of prices: 16 fractional bits.
pub(super) const ONE: i64 = 1 << 16;

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from 0 to `end`, without `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// True this many times in a hundred.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// Exponentially distributed with this mean: what time passes until something happens.
    pub(super) fn exponential(&mut self, mean: u64) -> u64 {
        const LN_2: u128 = 45_426; // × 2^-16
        let minus_log2 = (64 << 16) - log2(self.next() | 1);
        ((u128::from(mean) * u128::from(minus_log2) * LN_2) >> 32) as u64
    }

    /// About normally distributed with mean 0 and standard deviation [`ONE`].
    pub(super) fn normal(&mut self) -> i64 {
        const SQRT_3: i64 = 113_512; // × 2^-16
        let bits = self.next();
        // The sum of four even ones has the standard deviation 2^16 / √3.
        let sum: i64 = (0..4).map(|i| ((bits >> (16 * i)) & 0xffff) as i64).sum();
        ((sum - 2 * (ONE - 1)) * SQRT_3) >> 16
    }

    /// An index, each as often as its weight says; `cumulative` are the sums of the weights.
    pub(super) fn weighted(&mut self, cumulative: &[u64]) -> usize {
        let total = *cumulative.last().expect("there is something to choose from");
        let point = self.below(total);
        cumulative.partition_point(|&sum| sum <= point)
    }
}

/// The logarithm to base 2 with 16 fractional bits, digit by digit: squaring doubles a logarithm.
fn log2(x: u64) -> u64 {
    let mut mantissa = (x << x.leading_zeros()) >> 32;
    let mut result = u64::from(63 - x.leading_zeros());
    for _ in 0..16 {
        mantissa = (mantissa * mantissa) >> 31;
        result <<= 1;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            result |= 1;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right() {
        assert_eq!(log2(1), 0);
        assert_eq!(log2(1 << 40), 40 << 16);
        assert_eq!(log2(u64::MAX), (64 << 16) - 1);
        assert_eq!(log2(3 << 20), (20 << 16) + 103_872); // log2(3) = 1.58496
    }

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn distributions_have_their_means() {
        let mut random = Random::new(1);
        let n = 100_000;
        let mean = (0..n).map(|_| random.exponential(1_000)).sum::<u64>() / n;
        assert!((990..=1_010).contains(&mean), "{mean}");
        let mean = (0..n).map(|_| random.normal()).sum::<i64>() / n as i64;
        assert!(mean.abs() < ONE / 100, "{mean}");
        let variance = (0..n).map(|_| random.normal().pow(2)).sum::<i64>() / n as i64;
        assert!((variance - ONE * ONE).abs() < ONE * ONE / 50, "{variance}");
        let thirds = (0..n).filter(|_| random.weighted(&[1, 3]) == 1).count();
        assert!((66_000..67_400).contains(&thirds), "{thirds}");
    }
}
