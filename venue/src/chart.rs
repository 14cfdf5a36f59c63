//! Candlestick charts in a terminal.

/// What happened in an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Candle {
    /// What stands below it on the time axis.
    pub label: String,
    /// Price of the first trade.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Price of the last trade.
    pub close: f64,
}

/// Height, width and colours of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns of the whole chart; older candles that do not fit are left out.
    pub width: usize,
    /// Rows of the chart above its time axis.
    pub height: usize,
    /// Whether rising candles are green and falling ones red.
    pub colours: bool,
}

/// Columns of the price axis, with the line that ends it.
const AXIS: usize = 12;
/// A price is written every so many rows.
const ROWS_PER_PRICE: usize = 3;

/// Draws candles, a column each, the last ones at the right. Empty for no candles.
pub fn render(candles: &[Candle], style: Style) -> String {
    let fitting = style.width.saturating_sub(AXIS).max(1);
    let candles = &candles[candles.len().saturating_sub(fitting)..];
    let Some(scale) = Scale::of(candles, style.height.max(2)) else { return String::new() };
    let mut text = String::new();
    for row in (0..scale.rows).rev() {
        let label = if row.is_multiple_of(ROWS_PER_PRICE) {
            format!("{:>10.2} ┤", scale.price_at(2 * row + 1))
        } else {
            format!("{:>10} │", "")
        };
        text.push_str(&label);
        let cells = candles.iter().map(|candle| (scale.cell(candle, row), candle));
        text.push_str(coloured(cells, style.colours).trim_end());
        text.push('\n');
    }
    text.push_str(&time_axis(candles));
    text
}

/// The halves of a row's cell, upper first: nothing, the thin wick or the thick body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Empty,
    Wick,
    Body,
}

/// How prices fall on half rows, 0 at the bottom.
struct Scale {
    rows: usize,
    low: f64,
    high: f64,
}

impl Scale {
    fn of(candles: &[Candle], rows: usize) -> Option<Self> {
        let low = candles.iter().map(|candle| candle.low).reduce(f64::min)?;
        let high = candles.iter().map(|candle| candle.high).reduce(f64::max)?;
        // A price that never changed is a line in the middle.
        let margin = if high > low { 0.0 } else { 0.01 };
        Some(Self { rows, low: low - margin, high: high + margin })
    }

    fn half_row(&self, price: f64) -> usize {
        let top = (2 * self.rows - 1) as f64;
        ((price - self.low) / (self.high - self.low) * top).round() as usize
    }

    fn price_at(&self, half_row: usize) -> f64 {
        self.low + (self.high - self.low) * half_row as f64 / (2 * self.rows - 1) as f64
    }

    fn cell(&self, candle: &Candle, row: usize) -> char {
        let (bottom, top) = (candle.open.min(candle.close), candle.open.max(candle.close));
        let half = |half_row| {
            if (self.half_row(bottom)..=self.half_row(top)).contains(&half_row) {
                Half::Body
            } else if (self.half_row(candle.low)..=self.half_row(candle.high)).contains(&half_row) {
                Half::Wick
            } else {
                Half::Empty
            }
        };
        match (half(2 * row + 1), half(2 * row)) {
            (Half::Empty, Half::Empty) => ' ',
            (Half::Empty, Half::Wick) => '╷',
            (Half::Wick, Half::Empty) => '╵',
            (Half::Wick, Half::Wick) => '│',
            (Half::Empty, Half::Body) => '╻',
            (Half::Body, Half::Empty) => '╹',
            (Half::Wick, Half::Body) => '╽',
            (Half::Body, Half::Wick) => '╿',
            (Half::Body, Half::Body) => '┃',
        }
    }
}

fn coloured<'a>(cells: impl Iterator<Item = (char, &'a Candle)>, colours: bool) -> String {
    const GREEN: &str = "\x1b[32m";
    const RED: &str = "\x1b[31m";
    const RESET: &str = "\x1b[0m";
    let mut text = String::new();
    for (cell, candle) in cells {
        if colours && cell != ' ' {
            text.push_str(if candle.close >= candle.open { GREEN } else { RED });
            text.push(cell);
            text.push_str(RESET);
        } else {
            text.push(cell);
        }
    }
    text
}

/// Ticks and labels below the candles, as many as fit.
fn time_axis(candles: &[Candle]) -> String {
    let longest = candles.iter().map(|candle| candle.label.chars().count()).max().unwrap_or(0);
    let step = (longest + 4).max(10);
    let mut line = format!("{:>10} └", "");
    let mut labels = " ".repeat(AXIS);
    for (column, candle) in candles.iter().enumerate() {
        let is_tick = column.is_multiple_of(step);
        line.push(if is_tick { '┬' } else { '─' });
        if is_tick {
            let reached = labels.chars().count();
            labels.push_str(&" ".repeat(AXIS + column - reached));
            labels.push_str(&candle.label);
        }
    }
    format!("{line}\n{labels}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candle(label: &str, [open, high, low, close]: [f64; 4]) -> Candle {
        Candle { label: label.to_owned(), open, high, low, close }
    }

    const STYLE: Style = Style { width: 80, height: 4, colours: false };

    #[test]
    fn bodies_and_wicks_are_where_the_prices_are() {
        let candles = [
            candle("09:30", [10.0, 17.0, 10.0, 14.0]),
            candle("09:31", [14.0, 15.0, 11.0, 12.0]),
            candle("09:32", [12.0, 12.0, 12.0, 12.0]),
        ];
        // The scale is from 10 at the bottom to 17 at the top, half a row for each.
        let expected = [
            "     17.00 ┤│",
            "           │╽╽",
            "           │┃┃╻",
            "     11.00 ┤┃╵",
            "           └┬──",
            "            09:30",
        ];
        let chart = render(&candles, STYLE);
        assert_eq!(chart.lines().collect::<Vec<_>>(), expected, "\n{chart}");
    }

    #[test]
    fn colours_only_where_asked_for() {
        let candles = [candle("", [1.0, 2.0, 1.0, 2.0]), candle("", [2.0, 2.0, 1.0, 1.0])];
        assert!(!render(&candles, STYLE).contains('\x1b'));
        let colours = render(&candles, Style { colours: true, ..STYLE });
        assert!(colours.contains("\x1b[32m┃") && colours.contains("\x1b[31m┃"), "{colours}");
    }

    #[test]
    fn what_does_not_fit_is_left_out_at_the_left() {
        let prices = |i: u32| [f64::from(i), f64::from(i) + 1.0, f64::from(i), f64::from(i)];
        let candles: Vec<Candle> = (0..500).map(|i| candle("09:30", prices(i))).collect();
        let chart = render(&candles, Style { width: 60, ..STYLE });
        assert!(chart.lines().all(|line| line.chars().count() <= 60), "{chart}");
        assert!(chart.starts_with("    500.00 ") || chart.contains("452.00"), "{chart}");
    }

    #[test]
    fn odd_input_draws_something_or_nothing() {
        assert_eq!(render(&[], STYLE), "");
        let flat = [candle("now", [5.0; 4])];
        assert!(render(&flat, Style { width: 0, height: 0, colours: false }).contains('╻'));
    }
}
