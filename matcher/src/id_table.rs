//! A bounded hash table from ids to slots.

use crate::slots::{NONE, Slot};

/// Open addressing with linear probing; a removal closes the gap that it leaves, so there
/// are no tombstones to clean up. At most half of the places are ever taken.
pub(crate) struct IdTable {
    /// Id and slot; id 0 marks a free place. Plain integers, so that the allocator
    /// hands out zeroed memory which costs nothing until it is touched.
    places: Vec<[u64; 2]>,
    /// Right shift that turns a hash into a place.
    shift: u32,
    length: u32,
    capacity: u32,
}

impl IdTable {
    pub(crate) fn new(capacity: u32) -> Self {
        let places = (capacity as usize * 2).next_power_of_two().max(2);
        Self { places: vec![[0; 2]; places], shift: 64 - places.ilog2(), length: 0, capacity }
    }

    pub(crate) fn len(&self) -> u32 {
        self.length
    }

    /// Where `id` would like to be. The multiplication spreads neighbouring ids.
    #[inline(always)]
    fn home(&self, id: u64) -> usize {
        (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    #[inline(always)]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    #[inline(always)]
    fn place_of(&self, id: u64) -> Option<usize> {
        assert!(id != 0);
        let mut place = self.home(id);
        // Ends at a free place, of which there are always some.
        while self.places[place][0] != 0 {
            if self.places[place][0] == id {
                return Some(place);
            }
            place = self.after(place);
        }
        None
    }

    #[inline(always)]
    pub(crate) fn get(&self, id: u64) -> Slot {
        match self.place_of(id) {
            Some(place) => self.places[place][1] as Slot,
            None => NONE,
        }
    }

    pub(crate) fn insert(&mut self, id: u64, slot: Slot) {
        assert!(self.length < self.capacity && slot != NONE);
        assert!(self.place_of(id).is_none(), "id {id} is there already");
        let mut place = self.home(id);
        while self.places[place][0] != 0 {
            place = self.after(place);
        }
        self.places[place] = [id, u64::from(slot)];
        self.length += 1;
    }

    pub(crate) fn remove(&mut self, id: u64) {
        let mut gap = self.place_of(id).expect("only what was inserted is removed");
        self.length -= 1;
        let mut place = self.after(gap);
        while self.places[place][0] != 0 {
            // An entry may fill the gap unless that would put it before its home.
            let from_home = place.wrapping_sub(self.home(self.places[place][0]));
            let from_gap = place.wrapping_sub(gap);
            let mask = self.places.len() - 1;
            if from_home & mask >= from_gap & mask {
                self.places[gap] = self.places[place];
                gap = place;
            }
            place = self.after(place);
        }
        self.places[gap] = [0; 2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_tree_map() {
        for capacity in [1, 3, 100] {
            let mut table = IdTable::new(capacity);
            let mut map = BTreeMap::new();
            let mut random = 3u64;
            for round in 0..20_000u64 {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                let id = 1 + (random >> 40) % (u64::from(capacity) * 2);
                if map.remove(&id).is_some() {
                    table.remove(id);
                } else if map.len() < capacity as usize {
                    let slot = 1 + (round % 1000) as u32;
                    table.insert(id, slot);
                    map.insert(id, slot);
                }
                assert_eq!(table.len() as usize, map.len());
                for id in 1..=u64::from(capacity) * 2 {
                    assert_eq!(table.get(id), map.get(&id).copied().unwrap_or(NONE));
                }
            }
        }
    }
}
