//! How often a publisher is told what arrived: its estimate moves no faster, and each report takes some of our link.

use std::time::Duration;

use crate::units::Time;

/// Bounds (MEDIA-NOTES §3: every 100 ms, 50 to 200 ms adaptive), and where it begins.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(200);
const FIRST: Duration = Duration::from_millis(100);
/// Reports take this share of what they report on, and so many bits each, headers included (libwebrtc,
/// TransportFeedbackSender::OnTargetBitrateChanged: 68 bytes).
const SHARE: f64 = 0.05;
const REPORT_BITS: f64 = 68.0 * 8.0;
/// The rate is measured over so long: a key frame does not change the interval of the frames behind it for longer.
const WINDOW: Duration = Duration::from_millis(500);

/// The interval of one session.
#[derive(Clone, Copy, Debug)]
pub struct FeedbackInterval {
    since: Time,
    bytes: u64,
    every: Duration,
}

impl Default for FeedbackInterval {
    fn default() -> Self {
        Self { since: Time(0), bytes: 0, every: FIRST }
    }
}

impl FeedbackInterval {
    /// Until the next report, one of which is sent now. `bytes_in`: all that the session has received.
    pub fn after(&mut self, now: Time, bytes_in: u64) -> Duration {
        let (span, bytes) = (now - self.since, bytes_in - self.bytes);
        if span >= WINDOW {
            if self.since != Time(0) {
                let bps = (bytes as f64 * 8.0 / span.as_secs_f64()).max(1.0);
                let every_s = REPORT_BITS / (SHARE * bps);
                self.every = Duration::from_secs_f64(every_s.min(LONGEST.as_secs_f64())).max(SHORTEST);
            }
            (self.since, self.bytes) = (now, bytes_in);
        }
        self.every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_take_a_twentieth_within_bounds() {
        let mut interval = FeedbackInterval::default();
        let (mut now, mut bytes) = (Time::from_millis(5000), 1_000_000);
        let mut after_two_seconds_of = |bps: u64| {
            let end = now + Duration::from_secs(2);
            while now < end {
                let next = interval.after(now, bytes);
                now += next;
                bytes += bps * next.as_millis() as u64 / 8000;
            }
            interval.after(now, bytes).as_millis()
        };
        assert_eq!([16_000, 100_000, 2_000_000].map(&mut after_two_seconds_of), [200, 109, 50]);
        assert_eq!(after_two_seconds_of(0), 200);
    }

    #[test]
    fn the_first_ones_come_at_the_usual_interval() {
        assert_eq!(FeedbackInterval::default().after(Time::from_millis(90_000), 5_000_000), FIRST);
    }
}
