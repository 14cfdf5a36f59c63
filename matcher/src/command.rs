//! What can be asked of the exchange.

use crate::terms::{ClientOrderId, SelfTradePrevention, Terms, TimeInForce};
use crate::{
    AccountId, CurrencyId, InstrumentId, MONEY_SCALE, Money, OrderId, ParticipantId, ScheduleId,
    Sequence, SessionId, TradeId,
};

/// Where and when a command stands in the one total order. Both are given by the
/// sequencer; the engine only checks that neither goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Position of the command, one more than that of the command before.
    pub sequence: Sequence,
    /// Microseconds since 2000-01-01 UTC (PostgreSQL's own epoch), never decreasing.
    pub time_us: i64,
}

/// A short text of at most `N` bytes, held in place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

/// The name of an instrument as brokers write it, such as `AAPL`.
pub type Symbol = Text<15>;
/// The name of a PostgreSQL role.
pub type RoleName = Text<63>;
/// The code of a currency, such as `USD`.
pub type CurrencyCode = Text<7>;
/// The name of a fee schedule.
pub type ScheduleName = Text<23>;

impl<const N: usize> Text<N> {
    /// Takes `text` if it has between 1 and `N` bytes.
    pub fn new(text: &str) -> Option<Self> {
        let length = text.len();
        if length == 0 || length > N || length > u8::MAX as usize {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..length].copy_from_slice(text.as_bytes());
        Some(Self { length: length as u8, bytes })
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length as usize]).expect("a Text is made from a str")
    }
}

impl<const N: usize> std::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl<const N: usize> std::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Whether an order buys or sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// Buys at the limit price or lower.
    Buy = 0,
    /// Sells at the limit price or higher.
    Sell = 1,
}

impl Side {
    /// Both of them, by their number.
    pub const ALL: [Self; 2] = [Self::Buy, Self::Sell];

    /// The side that an order of this side trades with.
    pub fn opposite(self) -> Self {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

/// An instrument. Price in the rest of the engine is a whole number of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Its unique name.
    pub symbol: Symbol,
    /// What it is paid in.
    pub currency: CurrencyCode,
    /// Tick size as a decimal: `tick_digits × 10^-tick_scale`, see [`Instrument::tick_value`].
    pub tick_digits: u32,
    /// See `tick_digits`; at most [`crate::MONEY_SCALE`].
    pub tick_scale: u8,
    /// Every quantity is a multiple of it.
    pub lot_size: i64,
    /// Limit prices are 1 to this many ticks.
    pub maximum_price_ticks: i64,
}

impl Instrument {
    /// What one unit costs at a price of one tick, in units of money.
    pub fn tick_value(&self) -> Money {
        Money::from(self.tick_digits) * 10_i128.pow(u32::from(MONEY_SCALE - self.tick_scale))
    }
}

/// An order as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// What is traded.
    pub instrument: InstrumentId,
    /// For whom.
    pub account: AccountId,
    /// The worst price that it accepts. 0 where the engine is to work it out: for market,
    /// stop and trailing stop orders, see `docs/rules.md`.
    pub price_ticks: i64,
    /// How much.
    pub quantity: i64,
    /// Buy or sell.
    pub side: Side,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// What happens where it would trade with an order of its own account.
    pub self_trade_prevention: SelfTradePrevention,
}

/// The bounds of what an account may do, an instrument allows, or an account may do with
/// an instrument. Where several apply, each is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskLimits {
    /// Of one order.
    pub order_quantity: i64,
    /// Of one order: limit price × quantity.
    pub order_value: Money,
    /// Bought by an account of an instrument on a trade date, open buy orders included.
    pub daily_bought_quantity: i64,
    /// Sold by an account of an instrument on a trade date, open sell orders included.
    pub daily_sold_quantity: i64,
    /// Paid by an account for an instrument on a trade date, without fees.
    pub daily_bought_value: Money,
    /// Received by an account for an instrument on a trade date, without fees.
    pub daily_sold_value: Money,
    /// Orders of an account that are open at a time: in all instruments for the limits of
    /// an account, else in the one instrument.
    pub open_orders: u32,
}

impl RiskLimits {
    /// No bound at all.
    pub const NONE: Self = Self {
        order_quantity: i64::MAX,
        order_value: Money::MAX,
        daily_bought_quantity: i64::MAX,
        daily_sold_quantity: i64::MAX,
        daily_bought_value: Money::MAX,
        daily_sold_value: Money::MAX,
        open_orders: u32::MAX,
    };

    /// Whether none of the bounds is below 0.
    pub fn is_valid(&self) -> bool {
        self.order_quantity >= 0
            && self.order_value >= 0
            && self.daily_bought_quantity >= 0
            && self.daily_sold_quantity >= 0
            && self.daily_bought_value >= 0
            && self.daily_sold_value >= 0
    }
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self::NONE
    }
}

/// What protects the price of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceRules {
    /// Limit prices are at most so many millionths of it away from the last trade (before
    /// the first one: from the reference price); 0 for any.
    pub collar_ppm: u32,
    /// Trades are at most so many millionths away from the reference price; one that would
    /// not be starts a volatility halt. 0 for any.
    pub band_ppm: u32,
    /// How long a volatility halt lasts, in microseconds; at least 1.
    pub volatility_halt_us: i64,
    /// How far from the best opposite price (without one: from the last trade, the
    /// reference price) a market order without a price may trade, in millionths.
    pub protection_ppm: u32,
}

impl Default for PriceRules {
    /// No collar, no bands, halts of five minutes, market orders protected at ten per cent.
    fn default() -> Self {
        Self {
            collar_ppm: 0,
            band_ppm: 0,
            volatility_halt_us: 300_000_000,
            protection_ppm: 100_000,
        }
    }
}

/// Parts of the traded value that an account pays, in millionths, rounded down to units of
/// money; below 0 it receives them (rounded down too: away from 0). Never changed once it
/// exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeSchedule {
    /// Its unique name.
    pub name: ScheduleName,
    /// For an order that rested.
    pub maker_ppm: i32,
    /// For an order that came in and met it.
    pub taker_ppm: i32,
    /// For both sides of a trade in an auction.
    pub auction_ppm: i32,
}

/// Which part an order had in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liquidity {
    /// It rested.
    Maker,
    /// It came in.
    Taker,
    /// Both sides of an auction.
    Auction,
}

impl FeeSchedule {
    /// The fee of a trade of this value.
    pub fn fee(&self, liquidity: Liquidity, value: Money) -> Money {
        let ppm = match liquidity {
            Liquidity::Maker => self.maker_ppm,
            Liquidity::Taker => self.taker_ppm,
            Liquidity::Auction => self.auction_ppm,
        };
        (value * Money::from(ppm)).div_euclid(1_000_000)
    }

    /// The most that a trade of this value can cost: what a buy order withholds beside the
    /// value itself. That of a whole is never less than that of its parts together.
    pub fn highest_fee(&self, value: Money) -> Money {
        let ppm = self.maker_ppm.max(self.taker_ppm).max(self.auction_ppm).max(0);
        (value * Money::from(ppm)).div_euclid(1_000_000)
    }
}

/// Whether an account may trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AccountStatus {
    /// Opened; its holder is not known yet, so it may not trade.
    Unverified = 0,
    /// May trade.
    Verified = 1,
    /// May cancel, and enter nothing.
    Suspended = 2,
    /// Empty, and for ever.
    Closed = 3,
}

impl AccountStatus {
    /// All of them, by their number.
    pub const ALL: [Self; 4] = [Self::Unverified, Self::Verified, Self::Suspended, Self::Closed];
}

/// A trading day of the calendar. The times are microseconds since 2000-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradingDay {
    /// Days since 2000-01-01.
    pub trade_date: i32,
    /// From here on orders are collected.
    pub pre_open_us: i64,
    /// The opening auction; continuous trading from here on.
    pub open_us: i64,
    /// From here on orders are collected for the closing auction.
    pub closing_auction_us: i64,
    /// The closing auction; from here on the market is closed.
    pub close_us: i64,
}

/// A trade to cancel, as the tables have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BustedTrade {
    /// Which.
    pub trade_id: TradeId,
    /// Of what.
    pub instrument: InstrumentId,
    /// At which price.
    pub price_ticks: i64,
    /// How much.
    pub quantity: i64,
    /// Who bought.
    pub buyer: AccountId,
    /// Who sold.
    pub seller: AccountId,
    /// What the buyer paid for it.
    pub buyer_fee: Money,
    /// What the seller paid for it.
    pub seller_fee: Money,
}

/// One command. Commands that the engine would refuse (see [`crate::Refusal`]) are never
/// sequenced; all others are, even where the answer is a reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Enters a plain limit order.
    PlaceOrder(NewOrder),
    /// Enters any other order.
    PlaceOrderWithTerms(NewOrder, Terms),
    /// Takes an open order out of the book.
    CancelOrder {
        /// Which.
        order_id: OrderId,
        /// Who asks: the owner of the order's account, or the venue.
        participant: ParticipantId,
    },
    /// Takes a part of an open order's quantity away; it keeps its place in the queue.
    ReduceOrder {
        /// Which.
        order_id: OrderId,
        /// Who asks: the owner of the order's account, or the venue.
        participant: ParticipantId,
        /// By how much; less than what remains of the order.
        by: i64,
    },
    /// Changes price and quantity of an open order. A smaller quantity at the same price
    /// keeps its place; anything else enters it anew, under its old id.
    ReplaceOrder {
        /// Which.
        order_id: OrderId,
        /// Who asks: the owner of the order's account, or the venue.
        participant: ParticipantId,
        /// The new limit price; 0 to keep the old one.
        price_ticks: i64,
        /// The new quantity, what has traded included; not above that, the order is
        /// cancelled. 0 to keep the old one.
        quantity: i64,
    },
    /// Takes the open order out of the book that an account has under this name.
    CancelClientOrder {
        /// Whose.
        account: AccountId,
        /// Its name.
        client_order_id: ClientOrderId,
        /// Who asks: the owner of the account, or the venue.
        participant: ParticipantId,
    },
    /// Cancels all open orders that fit.
    CancelOrders {
        /// Who asks: only orders of its accounts are cancelled, unless it is the venue.
        participant: ParticipantId,
        /// Of this account; 0 for any.
        account: AccountId,
        /// Of this instrument; 0 for any.
        instrument: InstrumentId,
        /// Of this side; `None` for both.
        side: Option<Side>,
    },
    /// A session is over: cancels the open orders that were bound to it.
    EndSession {
        /// Which; 0 for all of them, after a crash.
        session: SessionId,
    },
    /// Lists an instrument.
    CreateInstrument(Instrument),
    /// Sets what protects its price.
    SetPriceRules {
        /// Of what.
        instrument: InstrumentId,
        /// The new rules.
        rules: PriceRules,
    },
    /// Sets what bands and auctions start from.
    SetReferencePrice {
        /// Of what.
        instrument: InstrumentId,
        /// The new reference price.
        price_ticks: i64,
    },
    /// Makes a role a participant.
    RegisterParticipant {
        /// Which.
        role: RoleName,
    },
    /// How many orders a participant may send: kept by whoever lets them in, not by the
    /// engine.
    SetRateLimit {
        /// Whose.
        participant: ParticipantId,
        /// Orders a second; 0 for any number.
        orders_per_second: u32,
        /// Orders at once; at least 1.
        burst: u32,
    },
    /// Opens an account for a role, which becomes a participant with its first one.
    OpenAccount {
        /// Whose account it is.
        owner: RoleName,
    },
    /// Lets an account trade, keeps it from it, or closes it.
    SetAccountStatus {
        /// Which.
        account: AccountId,
        /// What it is from here on.
        status: AccountStatus,
    },
    /// Pulls or releases the kill switch: cancels all open orders of an account and takes
    /// no more.
    SetKillSwitch {
        /// Whose.
        account: AccountId,
        /// Who asks: the owner of the account, or the venue, who alone can release it.
        participant: ParticipantId,
        /// Whether it is pulled.
        killed: bool,
    },
    /// Adds a fee schedule.
    CreateFeeSchedule(FeeSchedule),
    /// Sets what the orders cost that an account sends from here on.
    SetFeeSchedule {
        /// Whose.
        account: AccountId,
        /// Which.
        schedule: ScheduleId,
    },
    /// Money comes into an account, or leaves it.
    TransferCash {
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyId,
        /// How much; below 0 it leaves.
        amount: Money,
    },
    /// Shares come into an account, or leave it.
    TransferShares {
        /// Whose.
        account: AccountId,
        /// Of what.
        instrument: InstrumentId,
        /// How many; below 0 they leave.
        quantity: i64,
    },
    /// Lets an account owe money (margin).
    SetCreditLimit {
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyId,
        /// How much at the most.
        limit: Money,
    },
    /// Lets an account owe shares (short selling).
    SetShortLimit {
        /// Whose.
        account: AccountId,
        /// Of what.
        instrument: InstrumentId,
        /// How many at the most.
        limit: i64,
    },
    /// Sets risk limits.
    SetRiskLimits {
        /// Of this account; 0 for every account.
        account: AccountId,
        /// In this instrument; 0 for each instrument. Not 0 where `account` is.
        instrument: InstrumentId,
        /// The new limits.
        limits: RiskLimits,
    },
    /// Ends whatever phase there is and trades continuously, after an auction of what was
    /// collected.
    OpenMarket {
        /// Days since 2000-01-01; not before the last one.
        trade_date: i32,
    },
    /// Ends trading for the day, after an auction of what was collected for the closing one.
    CloseMarket,
    /// Adds a day to the calendar.
    ScheduleDay(TradingDay),
    /// Takes all days that have not begun out of the calendar.
    ClearSchedule,
    /// Stops trading in an instrument.
    HaltInstrument {
        /// Which; 0 for all.
        instrument: InstrumentId,
    },
    /// Goes on with it, after an auction of what is in the book.
    ResumeInstrument {
        /// Which; 0 for all.
        instrument: InstrumentId,
    },
    /// Cancels a trade.
    BustTrade(BustedTrade),
    /// Carries its time: what is due by then (see [`crate::Engine::next_due_us`]) happens.
    AdvanceClock,
}

// A slot of the sequencer ring is three cache lines, of which this leaves 48 bytes to the
// sequencer itself.
const _: () = assert!(size_of::<Command>() <= 144);
