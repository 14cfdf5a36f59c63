//! The labels of SQL enums in the tables.

use matcher::{
    AccountStatus, CancelReason, InstrumentPhase, Liquidity, MarketPhase, OrderStatus, OrderType,
    Peg, PostOnly, RejectReason, SelfTradePrevention, Side, TimeInForce, Trigger,
};
use pgrx::pg_sys::{Datum, Oid};

use crate::relation::Row;
use crate::sql::labels;

/// The labels of one enum, with what they stand for.
pub struct Labels<T, const N: usize>([(T, Oid); N]);

impl<T: Copy + PartialEq, const N: usize> Labels<T, N> {
    /// `labels` are those of the enum of this name, by `values`; there may be more of them.
    fn of(enum_type: &str, values: [T; N], labels: &[&str]) -> Self {
        let oid = labels::type_named(enum_type);
        let mut labels = labels.iter();
        Self(values.map(|value| {
            let label = labels.next().expect("every value has a label");
            (value, labels::oid_of(oid, label))
        }))
    }

    /// The label of a value; NULL for one that has none, such as [`Peg::None`].
    #[inline(always)]
    pub fn datum(&self, value: T) -> Option<Datum> {
        let found = self.0.iter().find(|(candidate, _)| *candidate == value);
        found.map(|(_, label)| Datum::from(*label))
    }

    /// The value of a label; `None` for NULL.
    pub fn optional<const C: usize>(
        &self,
        row: &Row<C>,
        column: usize,
    ) -> Result<Option<T>, String> {
        let Some(label) = row.optional::<Oid>(column) else { return Ok(None) };
        let found = self.0.iter().find(|(_, candidate)| *candidate == label);
        let (value, _) = found.ok_or_else(|| {
            format!("it says {}, which the exchange does not know", labels::label_of(label))
        })?;
        Ok(Some(*value))
    }

    /// The value of a label that is not NULL.
    pub fn value<const C: usize>(&self, row: &Row<C>, column: usize) -> Result<T, String> {
        Ok(self.optional(row, column)?.expect("the column is NOT NULL"))
    }
}

/// All of them.
pub struct Enums {
    /// Of `exchange.side`.
    pub sides: Labels<Side, 2>,
    /// Of `exchange.time_in_force`.
    pub times_in_force: Labels<TimeInForce, 5>,
    /// Of `exchange.order_status`.
    pub statuses: Labels<OrderStatus, 6>,
    /// Of `exchange.reject_reason`.
    pub reject_reasons: Labels<RejectReason, 22>,
    /// Of `exchange.cancel_reason`.
    pub cancel_reasons: Labels<CancelReason, 12>,
    /// Of `exchange.order_type`.
    pub order_types: Labels<OrderType, 6>,
    /// Of `exchange.post_only`.
    pub post_only: Labels<PostOnly, 3>,
    /// Of `exchange.peg`.
    pub pegs: Labels<Peg, 3>,
    /// Of `exchange.stop_trigger`.
    pub stop_triggers: Labels<Trigger, 2>,
    /// Of `exchange.self_trade_prevention`.
    pub self_trade_preventions: Labels<SelfTradePrevention, 5>,
    /// Of `exchange.liquidity`.
    pub liquidities: Labels<Liquidity, 3>,
    /// Of `exchange.account_status`.
    pub account_statuses: Labels<AccountStatus, 4>,
    /// Of `exchange.market_phase`.
    pub market_phases: Labels<MarketPhase, 4>,
    /// Of `exchange.instrument_phase`.
    pub instrument_phases: Labels<InstrumentPhase, 6>,
}

impl Enums {
    /// Looks them up, in a transaction in which the tables are open, so that the types are
    /// there.
    pub fn look_up() -> Self {
        Self {
            sides: Labels::of("side", Side::ALL, &labels::SIDES),
            times_in_force: Labels::of("time_in_force", TimeInForce::ALL, &labels::TIMES_IN_FORCE),
            statuses: Labels::of(
                "order_status",
                [
                    OrderStatus::Open,
                    OrderStatus::PartiallyFilled,
                    OrderStatus::Filled,
                    OrderStatus::Cancelled,
                    OrderStatus::Rejected,
                    OrderStatus::Expired,
                ],
                &labels::STATUSES,
            ),
            reject_reasons: Labels::of(
                "reject_reason",
                [
                    RejectReason::MarketClosed,
                    RejectReason::InstrumentHalted,
                    RejectReason::AccountNotVerified,
                    RejectReason::AccountSuspended,
                    RejectReason::AccountClosed,
                    RejectReason::KillSwitch,
                    RejectReason::AuctionPhase,
                    RejectReason::TooManyOpenOrders,
                    RejectReason::TooManyPriceLevels,
                    RejectReason::TooManyPositions,
                    RejectReason::NoReferencePrice,
                    RejectReason::LinkedOrderNotOpen,
                    RejectReason::AlreadyExpired,
                    RejectReason::PriceCollar,
                    RejectReason::OrderQuantityLimit,
                    RejectReason::OrderValueLimit,
                    RejectReason::DailyQuantityLimit,
                    RejectReason::DailyValueLimit,
                    RejectReason::OpenOrdersLimit,
                    RejectReason::InsufficientFunds,
                    RejectReason::InsufficientShares,
                    RejectReason::PostOnlyWouldCross,
                ],
                &labels::REJECT_REASONS,
            ),
            cancel_reasons: Labels::of(
                "cancel_reason",
                [
                    CancelReason::Requested,
                    CancelReason::Immediate,
                    CancelReason::FillOrKill,
                    CancelReason::MinimumQuantity,
                    CancelReason::SelfTrade,
                    CancelReason::Expired,
                    CancelReason::LinkedOrder,
                    CancelReason::KillSwitch,
                    CancelReason::SessionEnded,
                    CancelReason::AuctionEnded,
                    CancelReason::VolatilityHalt,
                    CancelReason::NoRoom,
                ],
                &labels::CANCEL_REASONS,
            ),
            order_types: Labels::of("order_type", OrderType::ALL, &labels::ORDER_TYPES),
            post_only: Labels::of("post_only", PostOnly::ALL, &labels::POST_ONLY),
            pegs: Labels::of("peg", [Peg::BestBid, Peg::BestAsk, Peg::Midpoint], &labels::PEGS),
            stop_triggers: Labels::of("stop_trigger", Trigger::ALL, &labels::STOP_TRIGGERS),
            self_trade_preventions: Labels::of(
                "self_trade_prevention",
                SelfTradePrevention::ALL,
                &labels::SELF_TRADE_PREVENTIONS,
            ),
            liquidities: Labels::of(
                "liquidity",
                [Liquidity::Maker, Liquidity::Taker, Liquidity::Auction],
                &labels::LIQUIDITIES,
            ),
            account_statuses: Labels::of(
                "account_status",
                AccountStatus::ALL,
                &labels::ACCOUNT_STATUSES,
            ),
            market_phases: Labels::of("market_phase", MarketPhase::ALL, &labels::MARKET_PHASES),
            instrument_phases: Labels::of(
                "instrument_phase",
                InstrumentPhase::ALL,
                &labels::INSTRUMENT_PHASES,
            ),
        }
    }
}
