//! Random numbers that can be had again.

use std::sync::OnceLock;

/// The environment variable that gives the seed of a run.
pub const SEED_VARIABLE: &str = "PG_EXCHANGE_SEED";

/// The seed of this run: that of the environment, else a new one. Printed, so that a failure
/// can be repeated.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = *SEED.get_or_init(|| match std::env::var(SEED_VARIABLE) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE} is no number: {text}")),
        Err(_) => new_seed(),
    });
    println!("{SEED_VARIABLE}={seed}");
    seed
}

/// A seed that nobody knows yet.
pub fn new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |time| time.as_nanos() as u64 % 1_000_000_007)
}

/// A generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The `stream`th generator of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        assert!(least <= most);
        least + (self.next() % (most - least + 1) as u64) as i64
    }

    /// Whether something of this many per cent happens.
    pub fn per_cent(&mut self, chance: i64) -> bool {
        self.between(0, 99) < chance
    }

    /// One of some things.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.between(0, things.len() as i64 - 1) as usize]
    }
}
