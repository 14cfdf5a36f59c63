//! How far the day is: a bar in a terminal, a line now and then elsewhere.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::shape::{SECOND_US, SESSION_US};

/// Shows how far the day is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    /// Half hours of the day that were shown.
    shown: u64,
}

const HALF_HOUR_US: u64 = 1_800 * SECOND_US;

impl Progress {
    /// A bar if standard error is a terminal. Nothing at all if `quiet`.
    pub(super) fn new(quiet: bool, from_us: u64) -> Self {
        let bar = console::Term::stderr().is_term() && !quiet;
        let bar = bar.then(|| {
            let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}")
                .expect("the template is right")
                .progress_chars("━━╌");
            ProgressBar::with_draw_target(Some(SESSION_US), ProgressDrawTarget::stderr_with_hz(10))
                .with_style(style)
        });
        let shown = if quiet { u64::MAX } else { from_us / HALF_HOUR_US };
        Self { bar, started: Instant::now(), shown }
    }

    /// Shows the time of the day and the commands so far.
    pub(super) fn show(&mut self, time_us: u64, commands: u64) {
        let half_hour = time_us / HALF_HOUR_US;
        if let Some(bar) = &self.bar {
            bar.set_position(time_us);
            bar.set_prefix(time_of_day(time_us));
            bar.set_message(self.rate(commands));
        } else if half_hour > self.shown {
            self.shown = half_hour;
            eprintln!("{}  {}", time_of_day(half_hour * HALF_HOUR_US), self.rate(commands));
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn rate(&self, commands: u64) -> String {
        let milliseconds = self.started.elapsed().as_millis().max(1);
        let rate = u128::from(commands) * 1_000 / milliseconds;
        format!("{} commands, {} a second", grouped(commands.into()), grouped(rate))
    }
}

/// The time of the day in New York's way, as in 09:30:00.
pub(super) fn time_of_day(time_us: u64) -> String {
    let seconds = time_us / SECOND_US + 9 * 3_600 + 30 * 60;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// A number with its thousands set apart, as in 1,234,567.
pub(super) fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_read_well() {
        assert_eq!(time_of_day(0), "09:30:00");
        assert_eq!(time_of_day(SESSION_US), "16:00:00");
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
