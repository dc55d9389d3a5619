//! Whether queues on the way grow: packets in groups by send time, the trend of their delay, an adaptive threshold.
//!
//! After draft-ietf-rmcat-gcc-02 §5.1–5.4 with the trendline in place of the Kalman filter; constants by MEDIA-NOTES §3.

use crate::units::Time;

/// Packets sent within this span are one group (MEDIA-NOTES §3).
const GROUP_US: i64 = 5_000;
/// A packet that caught up, arriving within this of the one before, belongs to the group's burst (MEDIA-NOTES §3).
const BURST_US: i64 = 5_000;
/// A burst lasts no longer (MEDIA-NOTES §3).
const MAX_BURST_US: i64 = 100_000;
/// Between groups, arrival and sending differ by no more; else the stream begins anew (MEDIA-NOTES §3: time-out 2 s).
const TIME_OUT_US: i64 = 2_000_000;
/// Points that the trend is drawn through (MEDIA-NOTES §3).
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay (MEDIA-NOTES §3).
const SMOOTHING: f64 = 0.9;
/// Trend to threshold (MEDIA-NOTES §3).
const GAIN: f64 = 4.0;
/// The gain counts for at most so many deltas (libwebrtc, TrendlineEstimator: kMinNumDeltas).
const MAX_DELTAS: f64 = 60.0;
/// Threshold at first, and its bounds (MEDIA-NOTES §3; draft-ietf-rmcat-gcc-02 §5.4: 6 to 600 ms).
const THRESHOLD_MS: f64 = 12.5;
const THRESHOLD_MIN_MS: f64 = 6.0;
const THRESHOLD_MAX_MS: f64 = 600.0;
/// How fast the threshold follows a larger and a smaller trend (MEDIA-NOTES §3).
const K_UP: f64 = 0.0087;
const K_DOWN: f64 = 0.039;
/// It ignores trends that lie further above it (MEDIA-NOTES §3).
const SPIKE_MS: f64 = 15.0;
/// And steps no longer (MEDIA-NOTES §3).
const MAX_STEP_MS: f64 = 100.0;
/// Over-use is told after so long (MEDIA-NOTES §3).
const OVER_USE_MS: f64 = 10.0;

/// What the delay says about the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// Queues stay as they are.
    #[default]
    Normal,
    /// Queues grow.
    Over,
    /// Queues drain.
    Under,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrival: i64,
    last_arrival: i64,
}

/// The detector of one session.
#[derive(Default)]
pub struct DelayDetector {
    group: Option<Group>,
    before: Option<Group>,
    trend: Trend,
}

impl DelayDetector {
    /// What it says now.
    pub fn usage(&self) -> Usage {
        self.trend.usage
    }

    /// Forgets the trend: what came last was a probe's own queue.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// A packet's send time and its arrival on the receiver's clock, in µs; in the order in which they were sent.
    pub fn on_packet(&mut self, sent: Time, arrival: i64) {
        let sent = sent.0 as i64;
        let Some(group) = self.group.as_mut() else {
            self.begin(sent, arrival);
            return;
        };
        if sent < group.first_sent {
            return; // reported late: its group is over
        }
        let apart = (arrival - group.last_arrival) - (sent - group.last_sent);
        if apart.abs() > TIME_OUT_US {
            (self.before, self.trend) = (None, Trend::default());
            self.begin(sent, arrival);
            return;
        }
        let caught_up = sent == group.last_sent
            || (apart < 0
                && arrival - group.last_arrival <= BURST_US
                && arrival - group.first_arrival < MAX_BURST_US);
        if sent - group.first_sent <= GROUP_US || caught_up {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrival = group.last_arrival.max(arrival);
            return;
        }
        let group = *group;
        if let Some(before) = self.before {
            let sent_ms = (group.last_sent - before.last_sent) as f64 / 1000.0;
            let arrived_ms = (group.last_arrival - before.last_arrival) as f64 / 1000.0;
            self.trend.on_group(group.last_arrival, sent_ms, arrived_ms);
        }
        self.before = Some(group);
        self.begin(sent, arrival);
    }

    fn begin(&mut self, sent: i64, arrival: i64) {
        self.group =
            Some(Group { first_sent: sent, last_sent: sent, first_arrival: arrival, last_arrival: arrival });
    }
}

/// The slope of the smoothed delay over time.
struct Trend {
    points: [(f64, f64); WINDOW],
    count: usize,
    origin_us: i64,
    deltas: f64,
    accumulated_ms: f64,
    smoothed_ms: f64,
    threshold_ms: f64,
    over_ms: Option<f64>,
    over_count: u32,
    previous: f64,
    last_us: i64,
    usage: Usage,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW],
            count: 0,
            origin_us: 0,
            deltas: 0.0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            threshold_ms: THRESHOLD_MS,
            over_ms: None,
            over_count: 0,
            previous: 0.0,
            last_us: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trend {
    fn on_group(&mut self, arrival_us: i64, sent_ms: f64, arrived_ms: f64) {
        if self.count == 0 {
            (self.origin_us, self.last_us) = (arrival_us, arrival_us);
        }
        self.deltas = (self.deltas + 1.0).min(1000.0);
        self.accumulated_ms += arrived_ms - sent_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        let at_ms = (arrival_us - self.origin_us) as f64 / 1000.0;
        self.points[self.count % WINDOW] = (at_ms, self.smoothed_ms);
        self.count += 1;
        let trend = if self.count >= WINDOW { self.slope().unwrap_or(self.previous) } else { self.previous };
        self.detect(trend, sent_ms, arrival_us);
    }

    /// Least squares; None when all points are of one instant.
    fn slope(&self) -> Option<f64> {
        let n = WINDOW as f64;
        let mean_x = self.points.iter().map(|p| p.0).sum::<f64>() / n;
        let mean_y = self.points.iter().map(|p| p.1).sum::<f64>() / n;
        let (over, under) = self.points.iter().fold((0.0, 0.0), |(over, under), (x, y)| {
            (over + (x - mean_x) * (y - mean_y), under + (x - mean_x).powi(2))
        });
        (under > 0.0).then_some(over / under)
    }

    fn detect(&mut self, trend: f64, sent_ms: f64, arrival_us: i64) {
        let modified = self.deltas.min(MAX_DELTAS) * trend * GAIN;
        if modified > self.threshold_ms {
            let over_ms = self.over_ms.map_or(sent_ms / 2.0, |over| over + sent_ms);
            self.over_ms = Some(over_ms);
            self.over_count += 1;
            if over_ms > OVER_USE_MS && self.over_count > 1 && trend >= self.previous {
                (self.over_ms, self.over_count) = (Some(0.0), 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_ms, self.over_count) = (None, 0);
            self.usage = if modified < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.previous = trend;
        self.adapt(modified.abs(), arrival_us);
    }

    fn adapt(&mut self, size: f64, arrival_us: i64) {
        let step_ms = ((arrival_us - self.last_us) as f64 / 1000.0).clamp(0.0, MAX_STEP_MS);
        self.last_us = arrival_us;
        if size > self.threshold_ms + SPIKE_MS {
            return;
        }
        let k = if size < self.threshold_ms { K_DOWN } else { K_UP };
        self.threshold_ms = (self.threshold_ms + k * (size - self.threshold_ms) * step_ms)
            .clamp(THRESHOLD_MIN_MS, THRESHOLD_MAX_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet each 10 ms through a queue that grows by `growth_us` with each.
    fn run(detector: &mut DelayDetector, from: i64, packets: i64, growth_us: i64) -> Vec<Usage> {
        (from..from + packets)
            .map(|i| {
                detector
                    .on_packet(Time((i * 10_000) as u64), 7_000_000 + i * 10_000 + (i - from) * growth_us);
                detector.usage()
            })
            .collect()
    }

    #[test]
    fn a_growing_queue_is_over_use_and_a_steady_one_is_not() {
        let mut detector = DelayDetector::default();
        assert!(run(&mut detector, 0, 200, 0).iter().all(|u| *u == Usage::Normal));
        let seen = run(&mut detector, 200, 60, 1_500);
        let first = seen.iter().position(|u| *u == Usage::Over);
        assert!(first.is_some_and(|first| first < 25), "{first:?}");
    }

    #[test]
    fn a_draining_queue_is_under_use() {
        let mut detector = DelayDetector::default();
        run(&mut detector, 0, 100, 0);
        assert!(run(&mut detector, 100, 60, -1_500).contains(&Usage::Under));
    }

    #[test]
    fn absurd_arrivals_begin_anew() {
        let mut detector = DelayDetector::default();
        for (i, arrival) in
            [i64::MAX / 4, i64::MIN / 4, 0, i64::MAX / 4].into_iter().cycle().take(500).enumerate()
        {
            detector.on_packet(Time(i as u64 * 10_000), arrival);
        }
        assert!(detector.trend.threshold_ms.is_finite() && detector.trend.smoothed_ms.is_finite());
        assert!(run(&mut detector, 500, 100, 0).iter().all(|u| *u == Usage::Normal));
    }
}
