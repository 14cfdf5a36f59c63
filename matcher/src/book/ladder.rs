//! From a price to its level, and from a level to the next one, whatever the size of the
//! book.
//!
//! The prices of an instrument form a tree of 64-way pages over an array: price bits 12
//! and up select an entry of the array, bits 6 to 11 a slot of a middle page, bits 0 to 5
//! a slot of a leaf, which holds the level. A page carries a bitmap of its slots in use.
//! Pages come from one pool when first needed and go back when empty, so a book costs
//! what its levels cost, not what its price range would.
//!
//! Each side of a book has its own: while orders are collected for an auction both may have
//! levels at one price.

use super::bitmap::{Bitmap, above, below, highest, lowest};
use crate::slots::{NONE, Pool, Slot};

const PAGE_BITS: u32 = 6;
const PAGE_SLOTS: usize = 1 << PAGE_BITS;
const BLOCK_BITS: u32 = 2 * PAGE_BITS;

/// 64 slots, each of the next page or, in a leaf, of a level. A page in nobody's use is
/// all zero, as is the page of [`NONE`]: a look-up runs through it and ends at `NONE`.
pub(crate) struct Page {
    used: u64,
    slots: [Slot; PAGE_SLOTS],
}

impl Default for Page {
    fn default() -> Self {
        Self { used: 0, slots: [NONE; PAGE_SLOTS] }
    }
}

impl Page {
    fn set(&mut self, at: u32, slot: Slot) {
        assert!(self.slots[at as usize] == NONE && slot != NONE);
        self.slots[at as usize] = slot;
        self.used |= 1 << at;
    }

    /// Returns whether the page is empty now.
    fn clear(&mut self, at: u32) -> bool {
        assert!(self.slots[at as usize] != NONE);
        self.slots[at as usize] = NONE;
        self.used &= !(1 << at);
        self.used == 0
    }

    #[inline(always)]
    fn at(&self, at: u32) -> Slot {
        self.slots[at as usize]
    }

    #[inline(always)]
    fn first(&self) -> Slot {
        self.at(lowest(self.used))
    }

    #[inline(always)]
    fn last(&self) -> Slot {
        self.at(highest(self.used))
    }

    pub(crate) fn is_consistent(&self) -> bool {
        (0..PAGE_SLOTS).all(|at| (self.slots[at] != NONE) == (self.used >> at & 1 == 1))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }
}

/// Pages that `levels` levels can need at most: each a leaf and a middle page.
pub(crate) fn pages_for(levels: u32) -> u32 {
    levels.checked_mul(2).expect("limits are checked before")
}

/// The levels of one side of a book by price.
pub(crate) struct Ladder {
    /// The middle page of each block of 4,096 prices.
    blocks: Vec<Slot>,
    blocks_used: Bitmap,
}

#[inline(always)]
fn block_of(price: u32) -> u32 {
    price >> BLOCK_BITS
}

#[inline(always)]
fn middle_at(price: u32) -> u32 {
    price >> PAGE_BITS & (PAGE_SLOTS as u32 - 1)
}

#[inline(always)]
fn leaf_at(price: u32) -> u32 {
    price & (PAGE_SLOTS as u32 - 1)
}

impl Ladder {
    /// For prices of at most `maximum_price`.
    pub(crate) fn new(maximum_price: u32) -> Self {
        let blocks = block_of(maximum_price) as usize + 1;
        Self { blocks: vec![NONE; blocks], blocks_used: Bitmap::new(blocks) }
    }

    /// The level at `price`, or [`NONE`].
    #[inline(always)]
    pub(crate) fn get(&self, pages: &Pool<Page>, price: u32) -> Slot {
        let middle = self.blocks[block_of(price) as usize];
        let leaf = pages[middle].at(middle_at(price));
        pages[leaf].at(leaf_at(price))
    }

    /// Enters a level at a price that has none.
    pub(crate) fn insert(&mut self, pages: &mut Pool<Page>, price: u32, level: Slot) {
        let block = block_of(price);
        let mut middle = self.blocks[block as usize];
        if middle == NONE {
            middle = pages.take();
            self.blocks[block as usize] = middle;
            self.blocks_used.set(block);
        }
        let mut leaf = pages[middle].at(middle_at(price));
        if leaf == NONE {
            leaf = pages.take();
            pages[middle].set(middle_at(price), leaf);
        }
        pages[leaf].set(leaf_at(price), level);
    }

    /// Takes out the level at `price`.
    pub(crate) fn remove(&mut self, pages: &mut Pool<Page>, price: u32) {
        let block = block_of(price);
        let middle = self.blocks[block as usize];
        let leaf = pages[middle].at(middle_at(price));
        assert!(middle != NONE && leaf != NONE, "there is no level at price {price}");
        if pages[leaf].clear(leaf_at(price)) {
            pages.put_back(leaf);
            if pages[middle].clear(middle_at(price)) {
                pages.put_back(middle);
                self.blocks[block as usize] = NONE;
                self.blocks_used.clear(block);
            }
        }
    }

    /// The level at the lowest price above `price`, or [`NONE`].
    pub(crate) fn next_above(&self, pages: &Pool<Page>, price: u32) -> Slot {
        let middle = self.blocks[block_of(price) as usize];
        let leaf = pages[middle].at(middle_at(price));
        let in_leaf = pages[leaf].used & above(leaf_at(price));
        if in_leaf != 0 {
            return pages[leaf].at(lowest(in_leaf));
        }
        let in_middle = pages[middle].used & above(middle_at(price));
        if in_middle != 0 {
            return pages[pages[middle].at(lowest(in_middle))].first();
        }
        match self.blocks_used.next_above(block_of(price)) {
            Some(block) => pages[pages[self.blocks[block as usize]].first()].first(),
            None => NONE,
        }
    }

    /// The level at the highest price below `price`, or [`NONE`].
    pub(crate) fn next_below(&self, pages: &Pool<Page>, price: u32) -> Slot {
        let middle = self.blocks[block_of(price) as usize];
        let leaf = pages[middle].at(middle_at(price));
        let in_leaf = pages[leaf].used & below(leaf_at(price));
        if in_leaf != 0 {
            return pages[leaf].at(highest(in_leaf));
        }
        let in_middle = pages[middle].used & below(middle_at(price));
        if in_middle != 0 {
            return pages[pages[middle].at(highest(in_middle))].last();
        }
        match self.blocks_used.next_below(block_of(price)) {
            Some(block) => pages[pages[self.blocks[block as usize]].last()].last(),
            None => NONE,
        }
    }

    /// Every page in use, for validation.
    pub(crate) fn pages_in_use(&self, pages: &Pool<Page>) -> Vec<Slot> {
        let mut found = Vec::new();
        for (block, &middle) in self.blocks.iter().enumerate() {
            assert_eq!(middle != NONE, self.blocks_used.contains(block as u32));
            if middle != NONE {
                found.push(middle);
                found.extend(pages[middle].slots.iter().filter(|&&leaf| leaf != NONE));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_tree_map() {
        const MAXIMUM_PRICE: u32 = 3_000_000;
        let mut pages = Pool::<Page>::new(pages_for(2000));
        let mut ladder = Ladder::new(MAXIMUM_PRICE);
        let mut levels = BTreeMap::new();
        let mut random = 7u64;
        for round in 0..50_000u32 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // Some prices crowd around a centre, some lie anywhere.
            let price = match random >> 60 {
                0..8 => 1_500_000 + (random >> 33) as u32 % 500,
                _ => 1 + (random >> 33) as u32 % MAXIMUM_PRICE,
            };
            if levels.contains_key(&price) {
                ladder.remove(&mut pages, price);
                levels.remove(&price);
            } else if levels.len() < 2000 {
                ladder.insert(&mut pages, price, round + 1);
                levels.insert(price, round + 1);
            } else {
                let (&lowest, _) = levels.first_key_value().unwrap();
                ladder.remove(&mut pages, lowest);
                levels.remove(&lowest);
            }
            let probe = 1 + (random >> 11) as u32 % MAXIMUM_PRICE;
            for probe in [probe, price] {
                let get = |found: Option<(&u32, &u32)>| found.map_or(NONE, |(_, &level)| level);
                assert_eq!(ladder.get(&pages, probe), levels.get(&probe).copied().unwrap_or(NONE));
                let next_above = get(levels.range(probe + 1..).next());
                assert_eq!(ladder.next_above(&pages, probe), next_above);
                let next_below = get(levels.range(..probe).next_back());
                assert_eq!(ladder.next_below(&pages, probe), next_below);
            }
        }
        for price in std::mem::take(&mut levels).into_keys() {
            ladder.remove(&mut pages, price);
        }
        assert_eq!(pages.in_use(), 0, "an empty ladder holds no page");
    }
}
