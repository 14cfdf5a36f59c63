//! The rules of the exchange in the most obvious code, with no thought of speed: the
//! oracle that the engine is tested against. It shares the public types and the hash with
//! the engine, and nothing else.
//!
//! Nothing is kept that follows from something else: what orders hold, levels, queues,
//! counts, phases and what is due are worked out each time from the open orders.
//!
//! * [`checking`]: which commands are refused.
//! * [`placing`], [`replacing`]: how an order comes in, and why it may not.
//! * [`matching`]: with what an incoming order trades. [`settling`]: stop, pegged and
//!   all-or-none orders whose turn has come. [`uncrossing`]: auctions.
//! * [`orders`]: what happens to one order: a trade, a reduction, its end.
//! * [`phases`]: market and instrument phases, the calendar, the clock.
//! * [`accounts`]: money, shares, limits, fees.
//! * [`view`]: the state for whoever compares it.

mod accounts;
mod checking;
mod matching;
mod orders;
mod phases;
mod placing;
mod replacing;
mod settling;
mod uncrossing;
mod view;

use crate::hash;
use crate::outcome::Order;
use crate::{
    Account, AccountId, CancelReason, Cash, ClientOrderId, Command, Counters, Currency, CurrencyId,
    Event, FeeSchedule, Instrument, InstrumentId, InstrumentState, Limits, OrderId, Outcome,
    Participant, Position, Stamp, Terms, TradeId, TradingDay,
};
use std::collections::{BTreeMap, BTreeSet};

/// An exchange to compare with, see the [module](self).
pub struct NaiveExchange {
    limits: Limits,
    counters: Counters,
    instruments: Vec<Instrument>,
    /// By instrument. The phase in them is not looked at, see [`Self::phase`].
    states: Vec<InstrumentState>,
    currencies: Vec<Currency>,
    fee_schedules: Vec<FeeSchedule>,
    participants: Vec<Participant>,
    /// The number of open orders in them is not looked at; so in what follows.
    accounts: Vec<Account>,
    cash: BTreeMap<(AccountId, CurrencyId), Cash>,
    positions: BTreeMap<(AccountId, InstrumentId), Position>,
    /// The open orders, by instrument. During a command the one that comes in is one of them.
    open_orders: Vec<BTreeMap<OrderId, Order>>,
    instrument_of: BTreeMap<OrderId, InstrumentId>,
    /// Each day with the number of steps taken.
    schedule: Vec<(TradingDay, u8)>,
    busted_trades: BTreeSet<TradeId>,
    /// The first answers to the client order ids of the window.
    answers: BTreeMap<OrderId, Order>,
    /// When each name was last used.
    names: BTreeMap<(AccountId, ClientOrderId), OrderId>,

    /// What has happened in the present command.
    events: Vec<Event>,
    /// The orders that ended in it.
    finished: BTreeMap<OrderId, Order>,
    /// How many orders it put to the tail of a level, beside its own.
    queued: u64,
}

/// What is to be answered to a command.
enum Answer {
    /// This order as it stands at the end.
    Order(OrderId),
    /// This, whatever else happens.
    Fixed(Outcome),
}

impl NaiveExchange {
    /// An exchange without instruments and accounts, its market closed.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            counters: Counters::default(),
            instruments: Vec::new(),
            states: Vec::new(),
            currencies: Vec::new(),
            fee_schedules: Vec::new(),
            participants: Vec::new(),
            accounts: Vec::new(),
            cash: BTreeMap::new(),
            positions: BTreeMap::new(),
            open_orders: Vec::new(),
            instrument_of: BTreeMap::new(),
            schedule: Vec::new(),
            busted_trades: BTreeSet::new(),
            answers: BTreeMap::new(),
            names: BTreeMap::new(),
            events: Vec::new(),
            finished: BTreeMap::new(),
            queued: 0,
        }
    }

    /// Applies the next command and appends what happened to `events`. Panics if it would be
    /// refused, is not the next, or comes before something that is due.
    pub fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        assert_eq!(self.check(command), Ok(()));
        assert_eq!(stamp.sequence, self.counters.sequence + 1);
        assert!(stamp.time_us >= self.counters.time_us);
        let is_in_time = self.next_due().is_none_or(|due_us| stamp.time_us < due_us);
        assert!(*command == Command::AdvanceClock || is_in_time);
        self.counters.sequence = stamp.sequence;
        self.counters.time_us = stamp.time_us;
        self.forget_answers();
        self.finished.clear();
        self.queued = 0;

        let answer = self.perform(command);
        self.settle();
        let outcome = match answer {
            Answer::Fixed(outcome) => outcome,
            Answer::Order(id) => {
                let order = self.order(id).or_else(|| self.finished.get(&id).copied());
                let order = order.expect("it is open or has ended");
                self.remember_answer(&order);
                Outcome::Order(order)
            }
        };

        let running = &mut self.counters.event_hash;
        hash::fold_command(running, stamp, command);
        self.events.iter().for_each(|event| hash::fold_event(running, event));
        events.append(&mut self.events);
        outcome
    }

    fn perform(&mut self, command: &Command) -> Answer {
        let done = Answer::Fixed(Outcome::Done);
        match command {
            Command::PlaceOrder(new) => self.place(new, &Terms::PLAIN),
            Command::PlaceOrderWithTerms(new, terms) => self.place(new, terms),
            Command::CancelOrder { order_id, .. } => {
                self.cancel(*order_id, CancelReason::Requested);
                Answer::Order(*order_id)
            }
            Command::ReduceOrder { order_id, by, .. } => {
                self.reduce(*order_id, *by);
                Answer::Order(*order_id)
            }
            Command::ReplaceOrder { order_id, price_ticks, quantity, .. } => {
                self.replace(*order_id, *price_ticks, *quantity)
            }
            Command::CancelClientOrder { account, client_order_id, .. } => {
                let id = self.client_order(*account, *client_order_id).expect("checked");
                self.cancel(id, CancelReason::Requested);
                Answer::Order(id)
            }
            Command::CancelOrders { participant, account, instrument, side } => {
                self.cancel_all(CancelReason::Requested, |exchange, order| {
                    let owner = exchange.accounts[order.account as usize - 1].owner;
                    (*participant == crate::VENUE || *participant == owner)
                        && (*account == 0 || *account == order.account)
                        && (*instrument == 0 || *instrument == order.instrument)
                        && side.is_none_or(|side| side == order.side)
                })
            }
            Command::EndSession { session } => {
                self.cancel_all(CancelReason::SessionEnded, |_, order| {
                    let bound_to = order.terms.session;
                    bound_to != 0 && (*session == 0 || *session == bound_to)
                })
            }
            Command::CreateInstrument(instrument) => self.create_instrument(instrument),
            Command::SetPriceRules { instrument, rules } => {
                self.states[*instrument as usize - 1].rules = *rules;
                self.events.push(Event::InstrumentChanged { instrument: *instrument });
                done
            }
            Command::SetReferencePrice { instrument, price_ticks } => {
                self.states[*instrument as usize - 1].reference_price_ticks = *price_ticks;
                self.events.push(Event::InstrumentChanged { instrument: *instrument });
                done
            }
            Command::RegisterParticipant { role } => self.register_participant(*role),
            Command::SetRateLimit { participant, orders_per_second, burst } => {
                let entry = &mut self.participants[*participant as usize - 1];
                entry.orders_per_second = *orders_per_second;
                entry.burst = *burst;
                self.events.push(Event::ParticipantChanged { participant: *participant });
                done
            }
            Command::OpenAccount { owner } => self.open_account(*owner),
            Command::SetAccountStatus { account, status } => {
                self.accounts[*account as usize - 1].status = *status;
                self.events.push(Event::AccountChanged { account: *account });
                done
            }
            Command::SetKillSwitch { account, killed, .. } => {
                self.accounts[*account as usize - 1].killed = *killed;
                self.events.push(Event::AccountChanged { account: *account });
                self.cancel_all(CancelReason::KillSwitch, |_, order| {
                    *killed && order.account == *account
                })
            }
            Command::CreateFeeSchedule(schedule) => self.create_fee_schedule(schedule),
            Command::SetFeeSchedule { account, schedule } => {
                self.accounts[*account as usize - 1].fee_schedule = *schedule;
                self.events.push(Event::AccountChanged { account: *account });
                done
            }
            Command::TransferCash { account, currency, amount } => {
                self.transfer_cash(*account, *currency, *amount)
            }
            Command::TransferShares { account, instrument, quantity } => {
                self.transfer_shares(*account, *instrument, *quantity)
            }
            Command::SetCreditLimit { account, currency, limit } => {
                self.cash_mut(*account, *currency).credit_limit = *limit;
                let (account, currency) = (*account, *currency);
                self.events.push(Event::CreditLimitSet { account, currency });
                done
            }
            Command::SetShortLimit { account, instrument, limit } => {
                self.position_mut(*account, *instrument).short_limit = *limit;
                let (account, instrument) = (*account, *instrument);
                self.events.push(Event::ShortLimitSet { account, instrument });
                done
            }
            Command::SetRiskLimits { account, instrument, limits } => {
                match (*account, *instrument) {
                    (0, instrument) => self.states[instrument as usize - 1].limits = *limits,
                    (account, 0) => self.accounts[account as usize - 1].limits = *limits,
                    (account, instrument) => {
                        self.position_mut(account, instrument).limits = *limits;
                    }
                }
                let (account, instrument) = (*account, *instrument);
                self.events.push(Event::RiskLimitsSet { account, instrument });
                done
            }
            Command::OpenMarket { trade_date } => {
                self.counters.trade_date = *trade_date;
                self.open_market();
                done
            }
            Command::CloseMarket => {
                self.close_market();
                done
            }
            Command::ScheduleDay(day) => {
                self.schedule.push((*day, 0));
                self.events.push(Event::Scheduled { trade_date: day.trade_date });
                done
            }
            Command::ClearSchedule => {
                self.schedule.retain(|(_, steps)| *steps > 0);
                self.events.push(Event::Scheduled { trade_date: 0 });
                done
            }
            Command::HaltInstrument { instrument } => {
                for instrument in self.instruments_to_halt(*instrument, true) {
                    self.halt(instrument);
                }
                done
            }
            Command::ResumeInstrument { instrument } => {
                for instrument in self.instruments_to_halt(*instrument, false) {
                    self.resume(instrument);
                }
                done
            }
            Command::BustTrade(trade) => self.bust(trade),
            Command::AdvanceClock => {
                self.advance_clock();
                done
            }
        }
    }

    /// The ids of all instruments.
    fn instrument_ids(&self) -> impl Iterator<Item = InstrumentId> + use<> {
        1..=self.instruments.len() as InstrumentId
    }

    /// An instrument that exists.
    fn instrument(&self, id: InstrumentId) -> &Instrument {
        &self.instruments[id as usize - 1]
    }

    /// What changes of an instrument that exists.
    fn state(&self, id: InstrumentId) -> &InstrumentState {
        &self.states[id as usize - 1]
    }

    /// What an instrument is paid in.
    fn currency_of(&self, id: InstrumentId) -> CurrencyId {
        let code = self.instrument(id).currency;
        let index = self.currencies.iter().position(|currency| currency.code == code);
        index.expect("it came with the instrument") as CurrencyId + 1
    }
}
