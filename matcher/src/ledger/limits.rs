//! Risk limits, by a number that whoever has some remembers.

use crate::RiskLimits;

/// Which limits; 0 for none.
pub(crate) type LimitsId = u32;

pub(crate) struct LimitsBook {
    /// 0 is no limit at all.
    limits: Vec<RiskLimits>,
}

impl LimitsBook {
    pub(crate) fn new() -> Self {
        Self { limits: vec![RiskLimits::NONE] }
    }

    #[inline(always)]
    pub(crate) fn get(&self, id: LimitsId) -> &RiskLimits {
        &self.limits[id as usize]
    }

    /// Replaces limits; the number of the new ones.
    pub(crate) fn set(&mut self, id: LimitsId, limits: RiskLimits) -> LimitsId {
        if id != 0 {
            self.limits[id as usize] = limits;
            id
        } else if limits == RiskLimits::NONE {
            0
        } else {
            self.limits.push(limits);
            self.limits.len() as LimitsId - 1
        }
    }
}
