//! A bitmap that finds the nearest set bit without walking over the empty ones.

/// Bits, and above them one bit a word that has any.
pub(crate) struct Bitmap {
    words: Vec<u64>,
    summary: Vec<u64>,
}

/// The bits of a word above `bit`.
#[inline(always)]
pub(crate) fn above(bit: u32) -> u64 {
    u64::MAX.unbounded_shl(bit + 1)
}

/// The bits of a word below `bit`.
#[inline(always)]
pub(crate) fn below(bit: u32) -> u64 {
    (1 << bit) - 1
}

/// The highest set bit of a word that has one.
#[inline(always)]
pub(crate) fn highest(word: u64) -> u32 {
    u64::BITS - 1 - word.leading_zeros()
}

/// The lowest set bit of a word that has one.
#[inline(always)]
pub(crate) fn lowest(word: u64) -> u32 {
    word.trailing_zeros()
}

impl Bitmap {
    pub(crate) fn new(bits: usize) -> Self {
        let words = bits.div_ceil(64);
        Self { words: vec![0; words], summary: vec![0; words.div_ceil(64)] }
    }

    pub(crate) fn set(&mut self, bit: u32) {
        self.words[bit as usize / 64] |= 1 << (bit % 64);
        self.summary[bit as usize / 4096] |= 1 << (bit / 64 % 64);
    }

    pub(crate) fn clear(&mut self, bit: u32) {
        let word = &mut self.words[bit as usize / 64];
        *word &= !(1 << (bit % 64));
        if *word == 0 {
            self.summary[bit as usize / 4096] &= !(1 << (bit / 64 % 64));
        }
    }

    pub(crate) fn contains(&self, bit: u32) -> bool {
        self.words[bit as usize / 64] >> (bit % 64) & 1 == 1
    }

    /// The lowest set bit above `bit`.
    pub(crate) fn next_above(&self, bit: u32) -> Option<u32> {
        let word = bit / 64;
        let rest = self.words[word as usize] & above(bit % 64);
        if rest != 0 {
            return Some(word * 64 + lowest(rest));
        }
        let first = word as usize / 64;
        let mut mask = above(word % 64);
        for (index, summary) in self.summary.iter().enumerate().skip(first) {
            if summary & mask != 0 {
                let word = index as u32 * 64 + lowest(summary & mask);
                return Some(word * 64 + lowest(self.words[word as usize]));
            }
            mask = u64::MAX;
        }
        None
    }

    /// The highest set bit below `bit`.
    pub(crate) fn next_below(&self, bit: u32) -> Option<u32> {
        let word = bit / 64;
        let rest = self.words[word as usize] & below(bit % 64);
        if rest != 0 {
            return Some(word * 64 + highest(rest));
        }
        let first = word as usize / 64;
        let mut mask = below(word % 64);
        for (index, summary) in self.summary.iter().enumerate().take(first + 1).rev() {
            if summary & mask != 0 {
                let word = index as u32 * 64 + highest(summary & mask);
                return Some(word * 64 + highest(self.words[word as usize]));
            }
            mask = u64::MAX;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn agrees_with_a_set() {
        let bits = 3 * 4096 + 77;
        let mut bitmap = Bitmap::new(bits as usize);
        let mut set = BTreeSet::new();
        let mut random = 1u64;
        for round in 0..20_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let bit = (random >> 33) as u32 % bits;
            // Filled at first, then emptied, so that both dense and sparse are seen.
            if random >> 32 & 7 < if round < 10_000 { 6 } else { 2 } {
                bitmap.set(bit);
                set.insert(bit);
            } else {
                bitmap.clear(bit);
                set.remove(&bit);
            }
            let probe = (random >> 17) as u32 % bits;
            assert_eq!(bitmap.contains(probe), set.contains(&probe));
            assert_eq!(bitmap.next_above(probe), set.range(probe + 1..).next().copied());
            assert_eq!(bitmap.next_below(probe), set.range(..probe).next_back().copied());
        }
    }

    #[test]
    fn masks_at_the_ends_of_a_word() {
        assert_eq!(above(63), 0);
        assert_eq!(above(0), u64::MAX - 1);
        assert_eq!(below(0), 0);
        assert_eq!(below(63), u64::MAX >> 1);
    }
}
