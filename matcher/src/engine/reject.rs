//! Which well-formed orders are declined, and why.

use super::Engine;
use super::makers::Incoming;
use crate::book::Book;
use crate::ledger::Holding;
use crate::outcome::RejectReason;
use crate::slots::{NONE, Slot};
use crate::terms::{OrderType, PostOnly, Terms, TimeInForce};
use crate::{AccountId, InstrumentId, InstrumentPhase, Money, NewOrder, RiskLimits, Side};

/// What is asked of an order, new or to replace an open one.
pub(super) struct Request<'a> {
    pub(super) instrument: InstrumentId,
    pub(super) account: AccountId,
    pub(super) side: Side,
    pub(super) time_in_force: TimeInForce,
    pub(super) terms: &'a Terms,
    /// What it is now: a stop-limit order that was triggered is a limit order.
    pub(super) order_type: OrderType,
    /// 0 where none could be worked out.
    pub(super) price_ticks: i64,
    /// Of the whole order.
    pub(super) quantity: i64,
    /// What would wait or trade.
    pub(super) remaining: i64,
    /// Whether the price was worked out, and is within the collar therefore.
    pub(super) is_worked_out: bool,
    /// The open order that it replaces; [`NONE`] for a new one.
    pub(super) replaces: Slot,
}

/// What limits are about, as it would be with an order.
#[derive(Clone, Copy)]
struct Exposure {
    side: Side,
    quantity: i64,
    value: Money,
    quantity_today: i64,
    value_today: Money,
    /// 0 where the order cannot rest.
    open_orders: u64,
    open_orders_in_instrument: u64,
}

impl Exposure {
    /// The first limit that it exceeds.
    #[inline(always)]
    fn exceeded(&self, limits: &RiskLimits) -> RejectReason {
        let (daily_quantity, daily_value) = match self.side {
            Side::Buy => (limits.daily_bought_quantity, limits.daily_bought_value),
            Side::Sell => (limits.daily_sold_quantity, limits.daily_sold_value),
        };
        if self.quantity > limits.order_quantity {
            RejectReason::OrderQuantityLimit
        } else if self.value > limits.order_value {
            RejectReason::OrderValueLimit
        } else if self.quantity_today > daily_quantity {
            RejectReason::DailyQuantityLimit
        } else if self.value_today > daily_value {
            RejectReason::DailyValueLimit
        } else if self.open_orders > u64::from(limits.open_orders) {
            RejectReason::OpenOrdersLimit
        } else {
            RejectReason::None
        }
    }
}

impl Request<'_> {
    /// Whether it can come to rest.
    pub(super) fn may_rest(&self, phase: InstrumentPhase) -> bool {
        !self.time_in_force.is_immediate() || phase.is_auction()
    }

    /// Whether it would rest in the book.
    fn is_for_book(&self) -> bool {
        matches!(self.order_type, OrderType::Limit | OrderType::Market) && !self.terms.all_or_none
    }
}

/// `part` millionths of a price, rounded down.
pub(super) fn part_of(price_ticks: i64, part_ppm: u32) -> i64 {
    // A price has 27 bits, and a million 20.
    price_ticks * i64::from(part_ppm) / 1_000_000
}

impl Book {
    /// What a collar is measured from.
    pub(super) fn collar_base(&self) -> Option<i64> {
        [self.state.last_price_ticks, self.state.reference_price_ticks]
            .into_iter()
            .find(|price| *price != 0)
    }

    /// The prices within the collar, if there is one to speak of.
    pub(super) fn collar(&self) -> Option<[i64; 2]> {
        let base = self.collar_base().filter(|_| self.state.rules.collar_ppm > 0)?;
        let width = part_of(base, self.state.rules.collar_ppm);
        Some([base - width, base + width])
    }
}

impl Engine {
    /// The first reason to decline, in their order. `would_take` says whether a post-only
    /// order would.
    pub(super) fn reject_reason(&self, request: &Request<'_>, would_take: bool) -> RejectReason {
        let reasons = [
            Self::phase_reason,
            Self::account_reason,
            Self::auction_reason,
            Self::room_reason,
            Self::terms_reason,
            Self::collar_reason,
            Self::limits_reason,
            Self::funds_reason,
        ];
        reasons
            .into_iter()
            .map(|reason_of| reason_of(self, request))
            .find(|reason| *reason != RejectReason::None)
            .unwrap_or(match (request.terms.post_only, would_take) {
                (PostOnly::No, _) | (_, false) => RejectReason::None,
                _ => RejectReason::PostOnlyWouldCross,
            })
    }

    fn phase_of(&self, request: &Request<'_>) -> InstrumentPhase {
        self.books.book(request.instrument).phase
    }

    fn phase_reason(&self, request: &Request<'_>) -> RejectReason {
        match self.phase_of(request) {
            InstrumentPhase::Closed => RejectReason::MarketClosed,
            InstrumentPhase::Halted => RejectReason::InstrumentHalted,
            _ => RejectReason::None,
        }
    }

    fn account_reason(&self, request: &Request<'_>) -> RejectReason {
        self.registry.account(request.account).expect("checked").reject_reason()
    }

    fn auction_reason(&self, request: &Request<'_>) -> RejectReason {
        let Request { terms, time_in_force, .. } = request;
        let cannot_be_collected = match time_in_force {
            TimeInForce::FillOrKill => true,
            TimeInForce::ImmediateOrCancel => terms.order_type != OrderType::Market,
            _ => terms.post_only != PostOnly::No,
        } || request.replaces == NONE && terms.minimum_quantity > 0;
        if self.phase_of(request).is_auction() && cannot_be_collected {
            RejectReason::AuctionPhase
        } else {
            RejectReason::None
        }
    }

    fn room_reason(&self, request: &Request<'_>) -> RejectReason {
        let Request { instrument, account, side, price_ticks, .. } = *request;
        let is_new = request.replaces == NONE;
        let may_rest = request.may_rest(self.phase_of(request));
        if is_new && may_rest && self.books.is_full() {
            RejectReason::TooManyOpenOrders
        } else if may_rest
            && price_ticks != 0
            && request.is_for_book()
            && self.books.lacks_level(instrument, side, price_ticks)
        {
            RejectReason::TooManyPriceLevels
        } else if is_new && self.lacks_position(account, instrument) {
            RejectReason::TooManyPositions
        } else {
            RejectReason::None
        }
    }

    fn terms_reason(&self, request: &Request<'_>) -> RejectReason {
        let Request { terms, account, .. } = request;
        if request.price_ticks == 0 {
            return RejectReason::NoReferencePrice;
        }
        if request.replaces != NONE {
            return RejectReason::None;
        }
        if terms.linked_order != 0 {
            let can_be_linked = self.books.find(terms.linked_order).is_some_and(|slot| {
                self.account_of(slot) == *account && self.books.linked_order(slot) == 0
            });
            if !can_be_linked {
                return RejectReason::LinkedOrderNotOpen;
            }
        }
        let is_dated = request.time_in_force == TimeInForce::GoodTillDate;
        if is_dated && terms.expire_at_us <= self.counters.time_us {
            return RejectReason::AlreadyExpired;
        }
        RejectReason::None
    }

    fn collar_reason(&self, request: &Request<'_>) -> RejectReason {
        let is_kept = matches!(request.order_type, OrderType::Limit | OrderType::Market);
        match self.books.book(request.instrument).collar() {
            Some([lowest, highest])
                if is_kept
                    && !request.is_worked_out
                    && !(lowest..=highest).contains(&request.price_ticks) =>
            {
                RejectReason::PriceCollar
            }
            _ => RejectReason::None,
        }
    }

    fn limits_reason(&self, request: &Request<'_>) -> RejectReason {
        let Request { instrument, account, side, price_ticks, quantity, remaining, .. } = *request;
        let position = self.positions.find(account, instrument);
        let (replaced, replaced_ticks) = self.counted(request.replaces);
        let opens = request.replaces == NONE && request.may_rest(self.books.book(instrument).phase);
        let mut exposure =
            self.exposure(account, position, instrument, side, price_ticks, quantity, opens);
        exposure.quantity_today += remaining - quantity - replaced;
        let ticks = i128::from(price_ticks * remaining - price_ticks * quantity) - replaced_ticks;
        exposure.value_today += self.books.book(instrument).valuation.value_of(ticks);

        let in_account = exposure.exceeded(self.limits_of_account(account));
        let holding = &self.positions.holdings[position];
        let exposure = Exposure { open_orders: exposure.open_orders_in_instrument, ..exposure };
        let in_instrument = exposure.exceeded(&self.books.book(instrument).state.limits);
        let in_pair = exposure.exceeded(self.limits.get(holding.limits));
        // The first of the reasons; none is the least of all.
        [in_account, in_instrument, in_pair]
            .into_iter()
            .filter(|reason| *reason != RejectReason::None)
            .min()
            .unwrap_or(RejectReason::None)
    }

    fn limits_of_account(&self, account: AccountId) -> &RiskLimits {
        self.limits.get(self.registry.account(account).expect("checked").limits)
    }

    /// What an order of this price and quantity would make of what limits are about.
    #[allow(clippy::too_many_arguments, reason = "it is what an order says")]
    #[inline(always)]
    fn exposure(
        &self,
        account: AccountId,
        position: Slot,
        instrument: InstrumentId,
        side: Side,
        price_ticks: i64,
        quantity: i64,
        opens: bool,
    ) -> Exposure {
        let valuation = &self.books.book(instrument).valuation;
        let holding = &self.positions.holdings[position];
        let (traded, traded_ticks) = holding.traded(self.counters.trade_date, side);
        let value = valuation.value(price_ticks * quantity);
        let value_before =
            valuation.value_of(traded_ticks + holding.open_value_ticks[side as usize]);
        let open_orders = |count: u32| if opens { u64::from(count) + 1 } else { 0 };
        let entry = self.registry.account(account).expect("checked");
        Exposure {
            side,
            quantity,
            value,
            quantity_today: traded + holding.open_quantity[side as usize] + quantity,
            value_today: value_before + value,
            open_orders: open_orders(entry.open_orders),
            open_orders_in_instrument: open_orders(holding.open_orders),
        }
    }

    /// Whether a plain order that may rest keeps within collar and limits.
    pub(super) fn is_within_limits(&self, new: &NewOrder, position: Slot) -> bool {
        let NewOrder { instrument, account, side, price_ticks, quantity, .. } = *new;
        let book = self.books.book(instrument);
        if let Some([lowest, highest]) = book.collar()
            && !(lowest..=highest).contains(&price_ticks)
        {
            return false;
        }
        let exposure =
            self.exposure(account, position, instrument, side, price_ticks, quantity, true);
        if exposure.exceeded(self.limits_of_account(account)) != RejectReason::None {
            return false;
        }
        let exposure = Exposure { open_orders: exposure.open_orders_in_instrument, ..exposure };
        let of_pair = self.limits.get(self.positions.holdings[position].limits);
        exposure.exceeded(&book.state.limits) == RejectReason::None
            && exposure.exceeded(of_pair) == RejectReason::None
    }

    /// What an open order counts for in its position: what remains, and its value in ticks.
    fn counted(&self, slot: Slot) -> (i64, i128) {
        if slot == NONE {
            return (0, 0);
        }
        let remaining = self.books.orders[slot].remaining;
        (remaining, i128::from(self.books.price_ticks(slot) * remaining))
    }

    fn funds_reason(&self, request: &Request<'_>) -> RejectReason {
        let Request { instrument, account, side, price_ticks, remaining, .. } = *request;
        let position = self.positions.find(account, instrument);
        let holding = &self.positions.holdings[position];
        let (replaced, replaced_ticks) = self.counted(request.replaces);
        match side {
            Side::Buy => {
                let schedule = match request.replaces {
                    NONE => self.registry.account(account).expect("checked").fee_schedule,
                    slot => self.books.orders[slot].fee_schedule,
                };
                let needed = self.hold(instrument, schedule, price_ticks * remaining);
                let withheld = self.hold(instrument, schedule, replaced_ticks as i64);
                if self.available_cash(account, instrument, holding) + withheld < needed {
                    return RejectReason::InsufficientFunds;
                }
            }
            Side::Sell => {
                if holding.available() + replaced < remaining {
                    return RejectReason::InsufficientShares;
                }
            }
        }
        RejectReason::None
    }

    /// What an account can spend on an instrument, of which it may have no position yet.
    fn available_cash(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        holding: &Holding,
    ) -> Money {
        if holding.cash != NONE {
            self.cash.entries[holding.cash].available()
        } else {
            let cash = self.cash.view(account, self.currency_of(instrument));
            cash.map_or(0, |cash| cash.available())
        }
    }

    /// Whether a post-only order of this limit would trade at once, and with which price
    /// first.
    pub(super) fn price_that_it_would_take(&self, request: &Request<'_>) -> Option<i64> {
        if request.terms.post_only == PostOnly::No
            || self.phase_of(request) != InstrumentPhase::Continuous
        {
            return None;
        }
        let incoming = Incoming {
            order_id: 0,
            slot: NONE,
            position: NONE,
            instrument: request.instrument,
            account: request.account,
            side: request.side,
            prevention: crate::SelfTradePrevention::Allow,
            fee_schedule: 0,
            limit_ticks: request.price_ticks,
            price_ticks: request.price_ticks,
            linked_order: 0,
            quantity: request.quantity,
            remaining: request.remaining,
            turnover_ticks: 0,
            cancelled: crate::CancelReason::None,
            halted: false,
        };
        let quotes = self.quotes(request.instrument);
        self.next_maker(&incoming, &quotes).map(|(_, price_ticks)| price_ticks)
    }
}
