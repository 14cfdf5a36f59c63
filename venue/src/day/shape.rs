//! How busy a market is over the day: a burst at the open, a quiet middle, a burst at the close.

/// A regular session, 9:30 to 16:00, in microseconds.
pub(super) const SESSION_US: u64 = 390 * MINUTE_US;

pub(super) const SECOND_US: u64 = 1_000_000;
const MINUTE_US: u64 = 60 * SECOND_US;

/// (minutes after the open, activity); straight lines between.
const ACTIVITY: [(u64, u64); 11] = [
    (0, 1_000),
    (2, 620),
    (10, 320),
    (30, 200),
    (60, 140),
    (120, 95),
    (210, 75),
    (300, 100),
    (360, 180),
    (380, 290),
    (390, 800),
];

/// The average of [`activity`] over the session.
pub(super) const AVERAGE_ACTIVITY: u64 = average();

const fn average() -> u64 {
    let mut twice_area = 0;
    let mut i = 1;
    while i < ACTIVITY.len() {
        twice_area += (ACTIVITY[i].0 - ACTIVITY[i - 1].0) * (ACTIVITY[i].1 + ACTIVITY[i - 1].1);
        i += 1;
    }
    twice_area / (2 * 390)
}

/// How busy the market is at a moment after the open.
pub(super) fn activity(time_us: u64) -> u64 {
    let time_us = time_us.min(SESSION_US - 1);
    let after = ACTIVITY.partition_point(|&(minute, _)| minute * MINUTE_US <= time_us);
    let ((start, from), (end, to)) = (ACTIVITY[after - 1], ACTIVITY[after]);
    let (length, passed) = ((end - start) * MINUTE_US, time_us - start * MINUTE_US);
    (from * (length - passed) + to * passed) / length
}

/// The sum of [`activity`] over the time up to a moment after the open, times microseconds.
pub(super) fn activity_until(time_us: u64) -> u128 {
    let whole_minutes = time_us / MINUTE_US;
    let middles = (0..whole_minutes).map(|minute| minute * MINUTE_US + MINUTE_US / 2);
    let of_minutes = middles.map(|middle| u128::from(activity(middle) * MINUTE_US)).sum::<u128>();
    of_minutes + u128::from(activity(time_us) * (time_us % MINUTE_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_u_shaped() {
        let noon = activity(150 * MINUTE_US);
        assert!(activity(0) > 5 * noon);
        assert!(activity(SESSION_US - SECOND_US) > 5 * noon);
        assert!(activity(u64::MAX) > 0);
        assert!((noon..activity(0)).contains(&AVERAGE_ACTIVITY));
    }

    #[test]
    fn the_average_is_that_of_the_minutes() {
        let average = (activity_until(SESSION_US) / u128::from(SESSION_US)) as u64;
        assert!(average.abs_diff(AVERAGE_ACTIVITY) <= 2, "{average}");
    }
}
