//! Additive and multiplicative increase, multiplicative decrease (draft-ietf-rmcat-gcc-02 §5.5), and the loss-based bound
//! beside it (§6). Constants by MEDIA-NOTES §3.

use std::time::Duration;

use super::delay::Usage;
use super::{MAX_BPS, MIN_BPS};
use crate::units::Time;

/// Decrease to this share of what the link was seen to carry. Less than MEDIA-NOTES §3 (0.85) takes off: there the rate
/// itself has to drain the queue, here the pacer does while it stands.
const BETA: f64 = 0.90;
/// What was carried differs from the rate by no more than this: a tenth of a second of arrivals errs as much, and the rate is
/// the better figure. If it is not, the queue still stands at the next decrease.
const NEAR: f64 = 0.8;
/// Increase per second far from the link's capacity (MEDIA-NOTES §3).
const GROWTH: f64 = 1.08;
/// No increase above this multiple of the acknowledged rate. Senders that encode take 1.5 (MEDIA-NOTES §3) and fill what
/// they guess at once; a forwarder sends whole layers, and its guess would stand unproved for minutes (measured: 1.15
/// times the link). Probes find out what lies above.
const ACKED_BOUND: f64 = 1.0;
/// Least additive increase per second (libwebrtc, AimdRateControl::GetNearMaxIncreaseRateBpsPerSecond).
const ADDITIVE_MIN_BPS: f64 = 4_000.0;
/// Frame rate and packet size that additive increase assumes (libwebrtc, as above).
const FRAMES_PER_S: f64 = 30.0;
const PACKET_BITS: f64 = 9_600.0;
/// Weight of a new sample of the capacity, and bounds of its relative variance (libwebrtc, LinkCapacityEstimator).
const CAPACITY_WEIGHT: f64 = 0.05;
const DEVIATION_MIN: f64 = 0.4;
const DEVIATION_MAX: f64 = 2.5;
/// Bounds of the time between two decreases, a round trip (libwebrtc, AimdRateControl::TimeToReduceFurther).
const DECREASE_MIN: Duration = Duration::from_millis(10);
const DECREASE_MAX: Duration = Duration::from_millis(200);

/// Where over-use happened before, in kbit/s.
#[derive(Clone, Copy, Debug, Default)]
struct Capacity {
    estimate: Option<f64>,
    deviation: f64,
}

impl Capacity {
    fn on_over_use(&mut self, kbps: f64) {
        let Some(estimate) = self.estimate else {
            *self = Self { estimate: Some(kbps), deviation: DEVIATION_MIN };
            return;
        };
        let moved = (1.0 - CAPACITY_WEIGHT) * estimate + CAPACITY_WEIGHT * kbps;
        let error = (moved - kbps).powi(2) / moved.max(1.0);
        self.deviation = ((1.0 - CAPACITY_WEIGHT) * self.deviation + CAPACITY_WEIGHT * error)
            .clamp(DEVIATION_MIN, DEVIATION_MAX);
        self.estimate = Some(moved);
    }

    /// Whether a rate lies outside of three standard deviations.
    fn is_left_by(&self, kbps: f64) -> bool {
        self.estimate.is_some_and(|e| (kbps - e).abs() > 3.0 * (self.deviation * e).sqrt())
    }
}

/// The delay-based rate.
pub struct RateControl {
    bps: f64,
    holding: bool,
    last_change: Option<Time>,
    last_decrease: Option<Time>,
    capacity: Capacity,
}

impl RateControl {
    /// Begins at a rate.
    pub fn new(bps: f64) -> Self {
        Self { bps, holding: false, last_change: None, last_decrease: None, capacity: Capacity::default() }
    }

    /// The rate in bits per second.
    pub fn bps(&self) -> f64 {
        self.bps
    }

    /// When it was last decreased.
    pub fn last_decrease(&self) -> Option<Time> {
        self.last_decrease
    }

    /// A measurement that needs no caution, from a probe or because nothing is heard any more.
    pub fn set(&mut self, now: Time, bps: f64) {
        self.bps = bps.clamp(MIN_BPS, MAX_BPS);
        self.last_change = Some(now);
        if self.capacity.is_left_by(self.bps / 1000.0) {
            self.capacity = Capacity::default();
        }
    }

    /// Feedback came. True if the rate was decreased.
    pub fn update(&mut self, now: Time, usage: Usage, acked: Option<f64>, rtt: Duration) -> bool {
        match usage {
            Usage::Over => {
                let decreased = self.decrease(now, acked, rtt);
                self.holding = true;
                return decreased;
            }
            Usage::Under => self.holding = true,
            Usage::Normal if self.holding => self.holding = false,
            Usage::Normal => self.increase(now, acked, rtt),
        }
        self.last_change = Some(now);
        false
    }

    fn increase(&mut self, now: Time, acked: Option<f64>, rtt: Duration) {
        let passed = self.last_change.map_or(0.0, |last| (now - last).as_secs_f64()).min(1.0);
        let Some(acked) = acked else { return };
        if self.capacity.estimate.is_some_and(|e| acked / 1000.0 > e)
            && self.capacity.is_left_by(acked / 1000.0)
        {
            self.capacity = Capacity::default(); // the link has become better
        }
        let more = if self.capacity.estimate.is_some() {
            let frame = self.bps / FRAMES_PER_S;
            let packet = frame / (frame / PACKET_BITS).ceil().max(1.0);
            // twice the time in which over-use shows: a round trip and 100 ms to notice
            (packet / (2.0 * (rtt.as_secs_f64() + 0.1))).max(ADDITIVE_MIN_BPS) * passed
        } else {
            self.bps * (GROWTH.powf(passed) - 1.0)
        };
        let bound = ACKED_BOUND * acked;
        self.bps = (self.bps + more).min(bound).max(self.bps).clamp(MIN_BPS, MAX_BPS);
    }

    fn decrease(&mut self, now: Time, acked: Option<f64>, rtt: Duration) -> bool {
        let pause = rtt.clamp(DECREASE_MIN, DECREASE_MAX);
        let soon = self.last_decrease.is_some_and(|last| now - last < pause);
        if soon && acked.is_none_or(|acked| self.bps < 2.0 * acked) {
            return false;
        }
        let goal = acked.map_or(self.bps / 2.0, |acked| BETA * acked);
        if let Some(acked) = acked {
            if self.capacity.is_left_by(acked / 1000.0) {
                self.capacity = Capacity::default();
            }
            self.capacity.on_over_use(acked / 1000.0);
        }
        let near = acked.is_some_and(|acked| acked >= NEAR * self.bps);
        let goal = if near { goal.max(BETA * self.bps) } else { goal };
        let before = self.bps;
        self.bps = goal.min(self.bps).clamp(MIN_BPS, MAX_BPS);
        (self.last_change, self.last_decrease) = (Some(now), Some(now));
        self.bps < before
    }
}

/// Below this share of loss the bound rises (MEDIA-NOTES §3).
const LOSS_LOW: f64 = 0.02;
/// Above this one it falls (MEDIA-NOTES §3).
pub const LOSS_HIGH: f64 = 0.10;
/// An observation is at least so long (MEDIA-NOTES §3) and so many packets (libwebrtc, SendSideBandwidthEstimation:
/// kLimitNumPackets).
const OBSERVATION: Duration = Duration::from_millis(250);
const LOSS_PACKETS: f64 = 20.0;
/// Weight of what was observed before: at 5 % of loss, 10 % is three standard deviations away even for a slow stream,
/// and half of the packets lost is noticed with the second observation.
const MEMORY: f64 = 0.8;
/// So many standard deviations above [`LOSS_HIGH`], loss is more than that: a link that loses 10 % at random, whatever it is
/// sent, is not helped by less. LossBasedBweV2 of libwebrtc learns such a link's own loss instead, over 15 observations.
const CERTAIN: f64 = 2.0;
/// A bound so far above the estimate is forgotten.
const LOSS_GONE: f64 = 1.5;
/// Beside a round trip, the time between two decreases (libwebrtc, kBweDecreaseInterval).
const LOSS_DECREASE: Duration = Duration::from_millis(300);

/// The loss-based bound. There is none until the link lost much, so that random loss alone never holds a rate down.
#[derive(Default)]
pub struct LossBound {
    lost: f64,
    reported: f64,
    before: (f64, f64),
    observed: Option<Time>,
    share: f64,
    bound: Option<f64>,
    last_decrease: Option<Time>,
    last_update: Option<Time>,
}

impl LossBound {
    /// The bound in bits per second.
    pub fn bps(&self) -> Option<f64> {
        self.bound
    }

    /// A probe got so much through.
    pub fn raise(&mut self, bps: f64) {
        self.bound = self.bound.map(|bound| bound.max(bps));
    }

    /// Counts of one feedback: (lost, reported); lost is negative where overtaken packets came after all. `bps`: the
    /// estimate now; `acked`: what arrives, far below which the bound does not fall. True if it fell.
    pub fn update(
        &mut self,
        now: Time,
        counts: (i64, i64),
        bps: f64,
        acked: Option<f64>,
        rtt: Duration,
    ) -> bool {
        self.lost += counts.0 as f64;
        self.reported += counts.1 as f64;
        let since = *self.observed.get_or_insert(now);
        if self.reported < LOSS_PACKETS || now - since < OBSERVATION {
            return false;
        }
        self.before = (self.before.0 * MEMORY + self.lost, self.before.1 * MEMORY + self.reported);
        self.share = (self.before.0 / self.before.1).clamp(0.0, 1.0);
        let newest = self.lost / self.reported;
        (self.lost, self.reported, self.observed) = (0.0, 0.0, Some(now));
        self.judge(now, newest, bps, acked, rtt)
    }

    /// Standard deviation of the share, of as many packets as it is made of.
    fn deviation(&self) -> f64 {
        (self.share * (1.0 - self.share) / self.before.1.max(1.0)).sqrt()
    }

    fn judge(&mut self, now: Time, newest: f64, bps: f64, acked: Option<f64>, rtt: Duration) -> bool {
        let passed = self.last_update.map_or(0.0, |last| (now - last).as_secs_f64()).min(1.0);
        self.last_update = Some(now);
        // what was lost before the last decrease asks for no other one
        if self.share - CERTAIN * self.deviation() > LOSS_HIGH && newest > LOSS_HIGH {
            if self.last_decrease.is_some_and(|last| now - last < LOSS_DECREASE + rtt) {
                return false;
            }
            self.last_decrease = Some(now);
            let bound = self.bound.map_or(bps, |bound| bound.min(bps));
            // a queue that overflows goes on losing while it drains: what arrives is known to fit
            let least = acked.map_or(MIN_BPS, |acked| (BETA * acked).max(MIN_BPS));
            self.bound = Some((bound * (1.0 - 0.5 * self.share)).max(least.min(bound)));
            return true;
        }
        if self.share < LOSS_LOW
            && let Some(bound) = self.bound
        {
            let bound = bound * GROWTH.powf(passed);
            // once it bounds nothing, it is gone
            self.bound = (bound < MAX_BPS && bound <= bps * LOSS_GONE).then_some(bound);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    #[test]
    fn grows_eight_percent_a_second_and_never_beyond_the_acknowledged_rate() {
        let mut control = RateControl::new(300_000.0);
        let mut run = |from: u64, ms: u64, acked: f64| {
            for ms in (from..=from + ms).step_by(50) {
                control.update(Time::from_millis(ms), Usage::Normal, Some(acked), RTT);
            }
            control.bps()
        };
        assert!((run(5000, 1000, 480e3) - 324e3).abs() < 1000.0);
        assert_eq!(run(6050, 60_000, 480e3), 480e3);
        assert_eq!(run(67_000, 10_000, 200e3), 480e3, "what was proved stays");
    }

    #[test]
    fn falls_below_the_acknowledged_rate_and_then_grows_slowly() {
        let mut control = RateControl::new(900_000.0);
        assert!(control.update(Time::from_millis(1000), Usage::Over, Some(500_000.0), RTT));
        assert_eq!(control.bps(), 450_000.0);
        for ms in (1050..=2050).step_by(50) {
            control.update(Time::from_millis(ms), Usage::Normal, Some(500_000.0), RTT);
        }
        assert!((460_000.0..490_000.0).contains(&control.bps()), "{}", control.bps());
    }

    #[test]
    fn loss_below_ten_percent_bounds_nothing_and_above_it_halves_its_share() {
        let (mut loss, now) = (LossBound::default(), Time::from_millis(1000));
        for i in 0..100 {
            loss.update(now + RTT * i, (1, 20), 1e6, None, RTT);
        }
        assert_eq!(loss.bps(), None);
        let fell: Vec<u32> =
            (100..130).filter(|i| loss.update(now + RTT * *i, (8, 20), 1e6, None, RTT)).collect();
        assert!(fell.len() == 3 && fell[0] < 110, "{fell:?}");
        let low = loss.bps().unwrap();
        assert!((400e3..800e3).contains(&low), "{low}");
        for i in 130..260 {
            loss.update(now + RTT * i, (0, 20), 1e6, None, RTT);
        }
        let risen = loss.bps().unwrap();
        assert!(risen > 1.03 * low, "{low} {risen}");
        for i in 300..400 {
            loss.update(now + RTT * i, (8, 20), 1e6, Some(600e3), RTT);
        }
        assert_eq!(loss.bps(), Some(BETA * 600e3), "what arrives is not lost");
    }
}
