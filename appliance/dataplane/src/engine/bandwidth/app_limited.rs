//! Whether what is sent is much less than the estimate: then what arrives says little about the link.

use crate::units::Time;

/// Application-limited: use below 65 % of the estimate, from 80 % of half a second's budget unused until 50 %
/// (MEDIA-NOTES §3; libwebrtc, IntervalBudget: 500 ms).
const ALR_USAGE: f64 = 0.65;
const ALR_START: f64 = 0.80;
const ALR_STOP: f64 = 0.50;
const ALR_WINDOW_S: f64 = 0.5;

/// Whether the session sends much less than it may.
#[derive(Default)]
pub struct AppLimited {
    budget: f64,
    updated: Option<Time>,
    /// Whether it does.
    pub limited: bool,
}

impl AppLimited {
    /// A packet goes out, while the estimate is `bps`.
    pub fn on_sent(&mut self, now: Time, bytes: usize, bps: f64) {
        let rate = ALR_USAGE * bps / 8.0;
        let most = rate * ALR_WINDOW_S;
        let passed = self.updated.map_or(0.0, |last| (now - last).as_secs_f64());
        self.updated = Some(now);
        self.budget = (self.budget + rate * passed).min(most) - bytes as f64;
        self.budget = self.budget.max(-most);
        let unused = self.budget / most;
        self.limited = if self.limited { unused >= ALR_STOP } else { unused > ALR_START };
    }
}
