//! What trades cost.

use crate::{FeeSchedule, Instrument, Liquidity, Money, Refusal, ScheduleId};

/// One of a million.
const PPM: i64 = 1_000_000;

/// How the value of trades of an instrument follows from ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Valuation {
    /// What one unit costs at a price of one tick.
    tick_value: i64,
    /// A millionth of that where that is whole, else 0: fees then need no division.
    tick_value_ppm: i64,
}

impl Valuation {
    pub(crate) fn of(instrument: &Instrument) -> Self {
        let tick_value = i64::try_from(instrument.tick_value()).expect("checked when listed");
        let tick_value_ppm = if tick_value % PPM == 0 { tick_value / PPM } else { 0 };
        Self { tick_value, tick_value_ppm }
    }

    /// What so many ticks × units cost.
    #[inline(always)]
    pub(crate) fn value(&self, turnover_ticks: i64) -> Money {
        Money::from(turnover_ticks) * Money::from(self.tick_value)
    }

    /// The same of a sum that is larger than one order can be.
    #[inline(always)]
    pub(crate) fn value_of(&self, turnover_ticks: i128) -> Money {
        turnover_ticks * Money::from(self.tick_value)
    }

    /// So many millionths of what so many ticks × units cost, rounded down.
    #[inline(always)]
    fn part(&self, turnover_ticks: i64, ppm: i32) -> Money {
        if ppm == 0 {
            0
        } else if self.tick_value_ppm != 0 {
            Money::from(turnover_ticks) * Money::from(self.tick_value_ppm * i64::from(ppm))
        } else {
            (self.value(turnover_ticks) * Money::from(ppm)).div_euclid(Money::from(PPM))
        }
    }
}

/// The rates of a schedule by [`Liquidity`], and the highest of them that is paid.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    ppm: [i32; 3],
    highest_ppm: i32,
}

/// All fee schedules.
pub(crate) struct Fees {
    schedules: Vec<FeeSchedule>,
    /// By schedule id; 0 costs nothing.
    rates: Vec<Rates>,
}

impl Fees {
    pub(crate) fn new() -> Self {
        Self { schedules: Vec::new(), rates: vec![Rates::default()] }
    }

    pub(crate) fn schedules(&self) -> &[FeeSchedule] {
        &self.schedules
    }

    pub(crate) fn contains(&self, id: ScheduleId) -> bool {
        (id as usize) < self.rates.len()
    }

    pub(crate) fn check(&self, new: &FeeSchedule) -> Result<(), Refusal> {
        if self.schedules.iter().any(|schedule| schedule.name == new.name) {
            return Err(Refusal::ScheduleExists);
        }
        if self.schedules.len() >= crate::MAXIMUM_FEE_SCHEDULES {
            return Err(Refusal::TooManySchedules);
        }
        let range = -crate::MAXIMUM_FEE_PPM..=crate::MAXIMUM_FEE_PPM;
        if [new.maker_ppm, new.taker_ppm, new.auction_ppm].iter().any(|ppm| !range.contains(ppm)) {
            return Err(Refusal::ValueOutOfRange);
        }
        Ok(())
    }

    pub(crate) fn create(&mut self, schedule: FeeSchedule) -> ScheduleId {
        let ppm = [schedule.maker_ppm, schedule.taker_ppm, schedule.auction_ppm];
        let highest_ppm = ppm.into_iter().fold(0, i32::max);
        self.schedules.push(schedule);
        self.rates.push(Rates { ppm, highest_ppm });
        self.schedules.len() as ScheduleId
    }

    /// What an order pays for so many ticks × units.
    #[inline(always)]
    pub(crate) fn fee(
        &self,
        schedule: ScheduleId,
        liquidity: Liquidity,
        valuation: &Valuation,
        turnover_ticks: i64,
    ) -> Money {
        valuation.part(turnover_ticks, self.rates[schedule as usize].ppm[liquidity as usize])
    }

    /// What a buy order of so many ticks × units withholds.
    #[inline(always)]
    pub(crate) fn hold(
        &self,
        schedule: ScheduleId,
        valuation: &Valuation,
        turnover_ticks: i64,
    ) -> Money {
        valuation.value(turnover_ticks)
            + valuation.part(turnover_ticks, self.rates[schedule as usize].highest_ppm)
    }
}
