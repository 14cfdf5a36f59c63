//! Rows that are written again whenever what they show changes.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::relation::{TupleId, Values, Writer};

struct Place {
    /// `None` for a row that is not there yet.
    at: Option<TupleId>,
    changed: bool,
}

/// Where the rows of a table lie, by what they are of, and which of them changed since they
/// were last written.
pub struct Kept<K> {
    table: &'static str,
    /// The file that the tuple ids are of.
    storage: u32,
    places: FxHashMap<K, Place>,
    changed: Vec<K>,
}

impl<K: Copy + Eq + Hash + Ord> Kept<K> {
    /// The rows that a table has, in this file.
    pub fn new(
        table: &'static str,
        storage: u32,
        rows: impl IntoIterator<Item = (K, TupleId)>,
    ) -> Self {
        let places =
            rows.into_iter().map(|(key, at)| (key, Place { at: Some(at), changed: false }));
        Self { table, storage, places: places.collect(), changed: Vec::new() }
    }

    /// Takes note that what a row shows changed.
    #[inline]
    pub fn mark(&mut self, key: K) {
        let place = self.places.entry(key).or_insert(Place { at: None, changed: false });
        if !place.changed {
            place.changed = true;
            self.changed.push(key);
        }
    }

    /// Takes note that there is such a row, if there was none.
    #[inline]
    pub fn mark_if_new(&mut self, key: K) {
        if !self.places.contains_key(&key) {
            self.mark(key);
        }
    }

    /// Writes the rows that changed, in the order of their keys, so that neighbours in the
    /// index come one after the other. Where `row` makes none, there is none from here on.
    /// `None` if the table is not there.
    pub fn write<const N: usize>(
        &mut self,
        mut row: impl FnMut(K) -> Option<Values<N>>,
    ) -> Option<()> {
        if self.changed.is_empty() {
            return Some(());
        }
        let mut table = Writer::open(self.table)?;
        if table.relation().storage() != self.storage {
            begin_anew(self.table);
        }
        self.changed.sort_unstable();
        let mut inserted = Vec::new();
        let mut inserted_at = Vec::new();
        for key in self.changed.drain(..) {
            let place = self.places.get_mut(&key).expect("a marked row has a place");
            place.changed = false;
            match (place.at, row(key)) {
                (Some(at), Some(row)) => place.at = Some(table.update(at, row)),
                (None, Some(row)) => {
                    inserted.push(key);
                    table.insert(row, &mut |at| inserted_at.push(at));
                }
                (at, None) => {
                    if let Some(at) = at {
                        table.delete(at);
                    }
                    self.places.remove(&key);
                }
            }
        }
        table.close(&mut |at| inserted_at.push(at));
        for (key, at) in inserted.into_iter().zip(inserted_at) {
            self.places.get_mut(&key).expect("it was marked").at = Some(at);
        }
        Some(())
    }
}

/// Ends this worker, so that the next one reads the table again: it was rewritten (VACUUM
/// FULL, CLUSTER), and the tuple ids are void.
pub fn begin_anew(table: &str) -> ! {
    pgrx::log!("exchange projector: exchange.{table} was rewritten, beginning anew");
    super::end()
}
