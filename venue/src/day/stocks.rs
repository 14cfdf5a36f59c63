//! The stocks of the synthetic day. Prices and volatilities are of a realistic size, no more.

use super::random::ONE;

/// What is known about a stock before the day begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    pub(super) symbol: &'static str,
    /// What it costs where it has not traded yet.
    pub(super) price_cents: i64,
    /// The standard deviation of a day's return, in hundredths of a per cent.
    pub(super) volatility_bp: i64,
}

const fn stock(symbol: &'static str, price_cents: i64, volatility_bp: i64) -> Profile {
    Profile { symbol, price_cents, volatility_bp }
}

/// By how much each is traded, most first: the symbols of the migrations, in their order.
#[rustfmt::skip]
pub(super) const PROFILES: [Profile; 100] = [
    stock("AAPL", 23_150, 150), stock("NVDA", 13_870, 300), stock("TSLA", 34_260, 380),
    stock("MSFT", 42_520, 140), stock("AMZN", 20_780, 180), stock("META", 58_640, 210),
    stock("AMD", 13_790, 310), stock("GOOGL", 17_350, 170), stock("NFLX", 84_730, 200),
    stock("AVGO", 17_210, 280), stock("PLTR", 6_240, 420), stock("INTC", 2_450, 280),
    stock("JPM", 24_510, 140), stock("BAC", 4_660, 160), stock("XOM", 11_940, 140),
    stock("UNH", 58_910, 160), stock("LLY", 75_230, 200), stock("COST", 92_880, 130),
    stock("WMT", 8_450, 120), stock("V", 30_720, 120), stock("MA", 52_160, 120),
    stock("HD", 40_770, 130), stock("CRM", 33_240, 200), stock("ORCL", 18_830, 200),
    stock("ADBE", 50_490, 200), stock("MU", 9_870, 310), stock("QCOM", 15_640, 230),
    stock("COIN", 30_390, 480), stock("DIS", 11_460, 150), stock("BA", 14_410, 220),
    stock("PFE", 2_480, 140), stock("JNJ", 15_370, 100), stock("MRK", 9_730, 130),
    stock("ABBV", 16_620, 140), stock("CVX", 16_140, 140), stock("KO", 6_230, 90),
    stock("PEP", 15_870, 100), stock("PG", 17_060, 100), stock("MCD", 29_140, 110),
    stock("NKE", 7_460, 180), stock("SBUX", 9_890, 160), stock("T", 2_260, 120),
    stock("VZ", 4_230, 120), stock("CSCO", 5_760, 130), stock("TXN", 19_950, 180),
    stock("IBM", 20_690, 140), stock("GE", 17_810, 180), stock("CAT", 38_640, 160),
    stock("F", 1_110, 200), stock("GM", 5_480, 220), stock("UBER", 7_020, 220),
    stock("PYPL", 8_410, 220), stock("SHOP", 10_560, 320), stock("NOW", 101_400, 200),
    stock("INTU", 64_210, 170), stock("AMAT", 17_430, 260), stock("LRCX", 7_180, 270),
    stock("KLAC", 62_730, 250), stock("ADI", 20_950, 190), stock("PANW", 38_580, 220),
    stock("CRWD", 35_140, 290), stock("SNOW", 12_920, 320), stock("ABNB", 13_340, 220),
    stock("WFC", 7_340, 160), stock("C", 6_890, 170), stock("GS", 58_330, 160),
    stock("MS", 13_150, 160), stock("AXP", 28_790, 150), stock("BLK", 103_200, 140),
    stock("SCHW", 8_060, 170), stock("COF", 18_220, 180), stock("USB", 5_030, 160),
    stock("TMO", 52_470, 150), stock("ABT", 11_680, 120), stock("DHR", 23_840, 150),
    stock("AMGN", 28_660, 150), stock("GILD", 8_870, 140), stock("BMY", 5_720, 140),
    stock("CVS", 5_610, 200), stock("ISRG", 53_980, 180), stock("MDT", 8_610, 120),
    stock("LOW", 26_530, 140), stock("TGT", 12_880, 190), stock("TJX", 12_040, 120),
    stock("LMT", 53_250, 130), stock("RTX", 11_920, 130), stock("HON", 22_740, 120),
    stock("UPS", 13_390, 160), stock("FDX", 29_460, 180), stock("DE", 40_610, 160),
    stock("UNP", 23_520, 130), stock("DAL", 6_310, 220), stock("COP", 11_070, 180),
    stock("SLB", 4_310, 190), stock("OXY", 5_010, 190), stock("FCX", 4_350, 240),
    stock("NEE", 7_650, 160), stock("DUK", 11_390, 110), stock("CMCSA", 4_300, 140),
    stock("TMUS", 23_680, 130),
];

impl Profile {
    /// The usual difference between the best bid and offer, in fixed-point cents: a cent for what
    /// trades most, a few hundredths of a per cent of the price for what trades least.
    pub(super) fn spread(&self, price: i64, rank: usize) -> i64 {
        let thousandths_of_bp = 200 + 30 * rank as i64;
        ONE + price / 10_000 * thousandths_of_bp / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_list_these_stocks_in_this_order_at_these_prices() {
        let migration = include_str!("../../../migrations/0003_instruments_and_accounts.sql");
        let list = migration.split_once("(VALUES").unwrap().1.split_once(") AS listed").unwrap().0;
        let listed = list.split('(').skip(1).map(|pair| {
            let (symbol, price) = pair.split_once(')').unwrap().0.split_once(", ").unwrap();
            (symbol.trim_matches('\'').to_owned(), price.replace('.', "").parse().unwrap())
        });
        let stocks = PROFILES.iter().map(|stock| (stock.symbol.to_owned(), stock.price_cents));
        assert!(listed.eq(stocks));
    }

    #[test]
    fn spreads_are_a_cent_or_more() {
        let [first, .., last] = PROFILES;
        assert!((ONE..2 * ONE).contains(&first.spread(first.price_cents * ONE, 0)));
        assert!(last.spread(last.price_cents * ONE, 99) > 5 * ONE);
    }
}
