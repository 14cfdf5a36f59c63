//! Choices out of bytes, one byte each: so the fuzzer, which changes bytes, changes one choice
//! at a time. When there are no bytes left, every choice is the first one.

use std::ops::Range;

/// The bytes that are left.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// A number of a range that has at most 256.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + u64::from(self.byte()) % (range.end - range.start)
    }

    /// One of at most 256 choices.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// Two bits of one byte for each of four choices, to spend less of them.
    pub fn quarters(&mut self) -> [usize; 4] {
        let byte = usize::from(self.byte());
        [byte & 3, byte >> 2 & 3, byte >> 4 & 3, byte >> 6]
    }
}
