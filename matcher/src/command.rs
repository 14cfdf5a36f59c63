//! What can be asked of the exchange.

use crate::{AccountId, InstrumentId, OrderId, ParticipantId, Sequence};

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
    /// The side that an order of this side trades with.
    pub fn opposite(self) -> Self {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    GoodTillCancel = 0,
    /// What cannot trade at once is cancelled.
    ImmediateOrCancel = 1,
}

/// An instrument. Price in the rest of the engine is a whole number of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Its unique name.
    pub symbol: Symbol,
    /// Tick size as a decimal: `tick_digits × 10^-tick_scale`. The engine carries it,
    /// and never computes with it.
    pub tick_digits: u32,
    /// See `tick_digits`.
    pub tick_scale: u8,
    /// Every quantity is a multiple of it.
    pub lot_size: i64,
    /// Limit prices are 1 to this many ticks.
    pub maximum_price_ticks: i64,
}

/// A limit order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// What is traded.
    pub instrument: InstrumentId,
    /// For whom.
    pub account: AccountId,
    /// Buy or sell.
    pub side: Side,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// The worst price that it accepts.
    pub price_ticks: i64,
    /// How much.
    pub quantity: i64,
}

/// One command. Commands that the engine would refuse (see [`crate::Refusal`]) are never
/// sequenced; all others are, even where the answer is a reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Enters an order.
    PlaceOrder(NewOrder),
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
    /// Lists an instrument.
    CreateInstrument(Instrument),
    /// Opens an account for a role, which becomes a participant with its first one.
    OpenAccount {
        /// Whose account it is.
        owner: RoleName,
    },
    /// Orders are accepted from here on.
    OpenMarket,
    /// New orders are rejected from here on; resting orders stay and may be cancelled.
    CloseMarket,
    /// Does nothing but carry its time: moves the clock of a simulated exchange.
    AdvanceClock,
}

// A slot of the sequencer ring is two cache lines, of which this leaves 48 bytes to the
// sequencer itself.
const _: () = assert!(size_of::<Command>() <= 80);
