//! Figures, beside the number to reach.

/// The number to reach, and whether it is.
pub fn at_least(value: f64, reach: f64) -> String {
    format!("{reach}{}", if value < reach { ", short" } else { "" })
}

/// The same, where less is better.
pub fn at_most(value: f64, reach: f64) -> String {
    format!("{reach}{}", if value > reach { ", short" } else { "" })
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
