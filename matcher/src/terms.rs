//! What an order can ask for beyond side, price and quantity.

use crate::command::Text;
use crate::{NewOrder, OrderId, SessionId};

/// What makes an order trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OrderType {
    /// Trades at its limit price or better.
    #[default]
    Limit = 0,
    /// Trades at once, down to its protection price; what is left is cancelled.
    Market = 1,
    /// Becomes a market order when its stop price is reached.
    Stop = 2,
    /// Becomes a limit order when its stop price is reached.
    StopLimit = 3,
    /// A stop order whose stop price follows the market at a distance.
    TrailingStop = 4,
    /// Its price follows the best bid, the best ask or their middle. Not displayed.
    Pegged = 5,
}

impl OrderType {
    /// All of them, by their number.
    pub const ALL: [Self; 6] =
        [Self::Limit, Self::Market, Self::Stop, Self::StopLimit, Self::TrailingStop, Self::Pegged];

    /// Whether it waits for a stop price.
    pub fn is_stop(self) -> bool {
        matches!(self, OrderType::Stop | OrderType::StopLimit | OrderType::TrailingStop)
    }
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    #[default]
    GoodTillCancel = 0,
    /// What cannot trade at once is cancelled.
    ImmediateOrCancel = 1,
    /// Trades at once and as a whole, or is cancelled.
    FillOrKill = 2,
    /// Until the market closes.
    Day = 3,
    /// Until [`Terms::expire_at_us`].
    GoodTillDate = 4,
}

impl TimeInForce {
    /// All of them, by their number.
    pub const ALL: [Self; 5] = [
        Self::GoodTillCancel,
        Self::ImmediateOrCancel,
        Self::FillOrKill,
        Self::Day,
        Self::GoodTillDate,
    ];

    /// Whether what cannot trade at once is cancelled.
    #[inline(always)]
    pub fn is_immediate(self) -> bool {
        matches!(self, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill)
    }
}

/// What becomes of an order that must not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PostOnly {
    /// It may take.
    #[default]
    No = 0,
    /// If it would trade at once it is rejected.
    Reject = 1,
    /// If it would trade at once, its price becomes the best one at which it does not.
    Slide = 2,
}

impl PostOnly {
    /// All of them, by their number.
    pub const ALL: [Self; 3] = [Self::No, Self::Reject, Self::Slide];
}

/// What the price of a pegged order follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Peg {
    /// Nothing: the order is not pegged.
    #[default]
    None = 0,
    /// The best displayed bid.
    BestBid = 1,
    /// The best displayed ask.
    BestAsk = 2,
    /// The middle between the two, rounded to the tick that is worse for the other side.
    Midpoint = 3,
}

impl Peg {
    /// All of them, by their number.
    pub const ALL: [Self; 4] = [Self::None, Self::BestBid, Self::BestAsk, Self::Midpoint];
}

/// What a stop price is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Trigger {
    /// The last trade.
    #[default]
    LastTrade = 0,
    /// The last trade, and the best displayed quote: the ask for a buy, the bid for a sell.
    BestQuote = 1,
}

impl Trigger {
    /// All of them, by their number.
    pub const ALL: [Self; 2] = [Self::LastTrade, Self::BestQuote];
}

/// What happens instead of a trade between two orders of one account. The incoming order
/// decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SelfTradePrevention {
    /// The incoming order is cancelled.
    #[default]
    CancelNewest = 0,
    /// The resting order is cancelled.
    CancelOldest = 1,
    /// Both are cancelled.
    CancelBoth = 2,
    /// Both become smaller by what would have traded; the one that has nothing left is
    /// cancelled.
    Decrement = 3,
    /// Nothing: they trade.
    Allow = 4,
}

impl SelfTradePrevention {
    /// All of them, by their number.
    pub const ALL: [Self; 5] =
        [Self::CancelNewest, Self::CancelOldest, Self::CancelBoth, Self::Decrement, Self::Allow];
}

/// How a broker names an order of an account, 1 to 20 bytes.
pub type ClientOrderId = Text<20>;

/// Everything that a plain limit order has not. The default is a plain limit order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// So much must trade at once, else the order is cancelled; 0 for no minimum.
    pub minimum_quantity: i64,
    /// An iceberg order displays so much at a time; 0 for all of it.
    pub display_quantity: i64,
    /// Where a stop order is triggered; 0 where there is none.
    pub stop_price_ticks: i64,
    /// How far the stop price of a trailing stop is from the market; else 0.
    pub trail_ticks: i64,
    /// When a good-till-date order ends, microseconds since 2000-01-01 UTC; else 0.
    pub expire_at_us: i64,
    /// The open order that this one is linked with: as soon as one trades, the other is
    /// cancelled. 0 for none.
    pub linked_order: OrderId,
    /// The session with whose end the order is cancelled; 0 for none.
    pub session: SessionId,
    /// What the broker calls it; a retry with the same name is no second order.
    pub client_order_id: Option<ClientOrderId>,
    /// What makes it trade.
    pub order_type: OrderType,
    /// What becomes of it if it would take.
    pub post_only: PostOnly,
    /// What its price follows.
    pub peg: Peg,
    /// What its stop price is compared with.
    pub trigger: Trigger,
    /// It rests, but is not displayed, and trades after the displayed ones of its price.
    pub hidden: bool,
    /// It trades as a whole or not at all, after all others of its price.
    pub all_or_none: bool,
}

/// Why terms do not go together, or with the rest of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TermsFault {
    /// A limit price is missing: limit, stop-limit and pegged orders need one.
    PriceMissing = 1,
    /// A market order that is not immediate-or-cancel or fill-or-kill.
    MarketMustBeImmediate = 2,
    /// A stop order without a stop price (stop, stop-limit) or with one that does not
    /// belong (all others; the one of a trailing stop follows from the market).
    StopPrice = 3,
    /// A trailing stop without a distance, or another order with one.
    TrailDistance = 4,
    /// A pegged order without a peg, or another order with one.
    PegMissing = 5,
    /// A good-till-date order without a time, or another order with one.
    ExpiryTime = 6,
    /// Post-only goes with limit orders that may rest, are neither all-or-none nor have a
    /// minimum quantity.
    PostOnly = 7,
    /// A minimum quantity is 1 to the quantity, in lots, and goes with limit and market
    /// orders that are neither all-or-none nor fill-or-kill.
    MinimumQuantity = 8,
    /// A display quantity is 1 to the quantity, in lots, and goes with limit orders that
    /// may rest and are neither hidden nor all-or-none.
    DisplayQuantity = 9,
    /// Hidden goes with limit orders that may rest and are not all-or-none.
    Hidden = 10,
    /// All-or-none goes with limit orders that may rest.
    AllOrNone = 11,
    /// Stop and pegged orders may not be immediate-or-cancel or fill-or-kill.
    MustRest = 12,
    /// A trigger other than the last trade goes with stop and stop-limit orders.
    Trigger = 13,
}

impl Terms {
    /// The terms of a plain limit order.
    pub const PLAIN: Self = Self {
        minimum_quantity: 0,
        display_quantity: 0,
        stop_price_ticks: 0,
        trail_ticks: 0,
        expire_at_us: 0,
        linked_order: 0,
        session: 0,
        client_order_id: None,
        order_type: OrderType::Limit,
        post_only: PostOnly::No,
        peg: Peg::None,
        trigger: Trigger::LastTrade,
        hidden: false,
        all_or_none: false,
    };

    /// Why these terms cannot be those of an order of this lot size, if they cannot.
    pub fn fault(&self, order: &NewOrder, lot_size: i64) -> Option<TermsFault> {
        use OrderType::{Limit, Market, Pegged, Stop, StopLimit, TrailingStop};
        let order_type = self.order_type;
        let may_rest = !order.time_in_force.is_immediate();
        let is_resting_limit = order_type == Limit && may_rest;
        let is_part =
            |quantity: i64| (1..=order.quantity).contains(&quantity) && quantity % lot_size == 0;
        let rules = [
            (TermsFault::PriceMissing, {
                order.price_ticks != 0 || matches!(order_type, Market | Stop | TrailingStop)
            }),
            (TermsFault::MarketMustBeImmediate, order_type != Market || !may_rest),
            (TermsFault::StopPrice, {
                (self.stop_price_ticks != 0) == matches!(order_type, Stop | StopLimit)
            }),
            (TermsFault::TrailDistance, {
                let is_trailing = order_type == TrailingStop;
                (self.trail_ticks != 0) == is_trailing && self.trail_ticks >= 0
            }),
            (TermsFault::PegMissing, (self.peg != Peg::None) == (order_type == Pegged)),
            (TermsFault::ExpiryTime, {
                let is_dated = order.time_in_force == TimeInForce::GoodTillDate;
                (self.expire_at_us != 0) == is_dated
            }),
            (TermsFault::PostOnly, {
                self.post_only == PostOnly::No
                    || is_resting_limit && !self.all_or_none && self.minimum_quantity == 0
            }),
            (TermsFault::MinimumQuantity, {
                self.minimum_quantity == 0
                    || is_part(self.minimum_quantity)
                        && matches!(order_type, Limit | Market)
                        && !self.all_or_none
                        && order.time_in_force != TimeInForce::FillOrKill
            }),
            (TermsFault::DisplayQuantity, {
                self.display_quantity == 0
                    || is_part(self.display_quantity)
                        && is_resting_limit
                        && !self.hidden
                        && !self.all_or_none
            }),
            (TermsFault::Hidden, !self.hidden || is_resting_limit && !self.all_or_none),
            (TermsFault::AllOrNone, !self.all_or_none || is_resting_limit),
            (TermsFault::MustRest, may_rest || matches!(order_type, Limit | Market)),
            (TermsFault::Trigger, {
                self.trigger == Trigger::LastTrade || matches!(order_type, Stop | StopLimit)
            }),
        ];
        rules.into_iter().find(|(_, holds)| !holds).map(|(fault, _)| fault)
    }
}
