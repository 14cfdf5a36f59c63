//! The cases in which this exchange decided otherwise.

/// A case whose expectations are not met, on purpose.
pub struct Difference {
    pub case: &'static str,
    /// The first expectation that is not met, and what is found instead.
    pub found: &'static str,
    /// Why it is so here.
    pub reason: &'static str,
}

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        case: "Automatic matching - 'All-Or-None' limit order complex matching",
        found: "orders of the bid side: 2 instead of 3",
        reason: "there two plain orders that cross wait behind all-or-none orders that cannot \
                 trade; here they trade",
    },
    Difference {
        case: "Automatic matching - stop order with an empty market",
        found: "stops of the ask side: 1 instead of 0",
        reason: "a stop price is not reached while there is neither a trade nor a quote",
    },
    Difference {
        case: "Automatic matching - stop-limit order with an empty market",
        found: "orders of the ask side: 0 instead of 1",
        reason: "a stop price is not reached while there is neither a trade nor a quote",
    },
    Difference {
        case: "Automatic matching - trailing stop order",
        found: "StopPrice of 6: 190 instead of 90",
        reason: "there trailing stops follow the best quotes, here the last trade",
    },
    Difference {
        case: "TestAonBidMatchMulti",
        found: "ask0 in the block: [400, 500400] instead of [200, 250200]",
        reason: "an order that came first is not left short so that an all-or-none order at \
                 its price can trade",
    },
    Difference {
        case: "TestAonAskNoMatchMulti",
        found: "state of ask1: open instead of complete",
        reason: "an order at a better price is not left short so that an all-or-none order \
                 can trade",
    },
];
