//! How much a subscriber's link carries: one estimate per session, from transport-wide feedback, or from REMB.
//!
//! ```text
//! sent packets ── history ◀── feedback ┬ delay      queues grow? ─┐
//!                                      ├ acked      what arrives ─┼─ rate_control ── estimate ── allocation
//!                                      ├ loss ────────────────────┤                                   │ wanted
//!                                      └ probe      outcome ──────┘◀── padding above the estimate ◀───┘
//! ```
//!
//! Sans-IO, finite and bounded whatever the receiver reports. Knows no streams: `allocation` divides, the engine sends.
//! A receiver that sends neither kind of feedback is not limited.

pub mod acked;
pub mod allocation;
pub mod delay;
pub mod history;
pub mod probe;
pub mod rate_control;

use std::time::Duration;

use crate::transport_feedback::Feedback;
use crate::units::Time;
use acked::AckedRate;
use delay::{DelayDetector, Usage};
use history::{News, SentHistory};
use probe::{Outcome, Prober};
use rate_control::{LOSS_HIGH, LossBound, RateControl};

/// Bounds of any estimate: less than this no audio fits, more than this one subscriber never gets.
pub const MIN_BPS: f64 = 30_000.0;
/// See [`MIN_BPS`].
pub const MAX_BPS: f64 = 100_000_000.0;
/// Where the estimate begins (libwebrtc: 300 kbit/s), and the first probes as multiples of it (MEDIA-NOTES §3).
const START_BPS: f64 = 300_000.0;
const FIRST_PROBES: [f64; 2] = [3.0, 6.0];
/// Further probes try this multiple of the estimate, while the last one got this share through (MEDIA-NOTES §3).
const NEXT_PROBE: f64 = 2.0;
const GOOD_PROBE: f64 = 0.7;
/// Time between probes when more is wanted than the estimate (MEDIA-NOTES §3).
const PROBE_EACH: Duration = Duration::from_secs(5);
/// More became wanted: not sooner than so long after the last probe.
const PROBE_ON_DEMAND: Duration = Duration::from_secs(1);
/// A receiver that negotiated feedback and has sent none since the first packet gives none.
const NO_FEEDBACK: Duration = Duration::from_millis(500);
/// The first probes are over by then, or say nothing.
const START_PHASE: Duration = Duration::from_secs(2);
/// Sent packets unanswered for so long (MEDIA-NOTES §3: stream time-out): the link is broken, each second so much less
/// (libwebrtc, RttBasedBackoff).
const UNANSWERED: Duration = Duration::from_secs(2);
const BACK_OFF: f64 = 0.8;
const BACK_OFF_EACH: Duration = Duration::from_secs(1);
/// A link that lost much is held at its REMB for so long, each time twice as long (first: `allocation::HOLD`).
const REMB_HOLD: Duration = allocation::HOLD;
const REMB_HOLD_MAX: Duration = Duration::from_secs(80);
/// Application-limited: use below 65 % of the estimate, from 80 % of half a second's budget unused until 50 %
/// (MEDIA-NOTES §3; libwebrtc, IntervalBudget: 500 ms).
const ALR_USAGE: f64 = 0.65;
const ALR_START: f64 = 0.80;
const ALR_STOP: f64 = 0.50;
const ALR_WINDOW_S: f64 = 0.5;
/// The receiver's reference time has 24 bits of 64 ms (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
const CLOCK_TURN_US: i64 = (1 << 24) * 64_000;

/// How far the estimate can be relied on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The receiver reports nothing: no limit.
    None,
    /// Bits per second, still being found out: everybody keeps the lowest layer.
    Starting(f64),
    /// Bits per second.
    Known(f64),
}

/// Loss is judged over so long: at 300 kb/s some thirty packets.
const LOSS_WINDOW: Duration = Duration::from_secs(1);
/// A link that dropped more than a tenth stays suspect for so long: each attempt to bring a picture back costs the others
/// a moment.
const OVERLOAD_HOLD: Duration = Duration::from_secs(20);

/// The estimator of one session.
pub struct Bandwidth {
    history: SentHistory,
    delay: DelayDetector,
    acked: AckedRate,
    rate: RateControl,
    loss: LossBound,
    probes: Prober,
    alr: AppLimited,
    /// Receiver's clock, unwrapped.
    clock_us: Option<i64>,
    first_sent: Option<Time>,
    first_feedback: Option<Time>,
    /// First packet sent after the last feedback.
    unanswered: Option<Time>,
    next_back_off: Time,
    starting: bool,
    first_probes: usize,
    wanted_bps: f64,
    next_probe: Time,
    last_probe: Option<Time>,
    remb_bps: Option<f64>,
    /// Until when REMB is the limit, and how long that has been.
    congested: Option<(Time, Duration)>,
    /// Packets (lost, reported) since the start of the window.
    loss_window: (i64, i64, Time),
    overloaded_until: Time,
}

impl Default for Bandwidth {
    fn default() -> Self {
        Self {
            history: SentHistory::default(),
            delay: DelayDetector::default(),
            acked: AckedRate::default(),
            rate: RateControl::new(START_BPS),
            loss: LossBound::default(),
            probes: Prober::default(),
            alr: AppLimited::default(),
            clock_us: None,
            first_sent: None,
            first_feedback: None,
            unanswered: None,
            next_back_off: Time(0),
            starting: true,
            first_probes: 0,
            wanted_bps: 0.0,
            next_probe: Time(0),
            last_probe: None,
            remb_bps: None,
            congested: None,
            loss_window: (0, 0, Time(0)),
            overloaded_until: Time(0),
        }
    }
}

impl Bandwidth {
    /// A packet with this transport-wide sequence number goes out.
    pub fn on_sent(&mut self, now: Time, seq: u16, bytes: usize) {
        let probe = self.probes.on_sent(now, bytes);
        self.history.on_sent(now, seq, bytes, probe);
        self.first_sent.get_or_insert(now);
        self.unanswered.get_or_insert(now);
        self.alr.on_sent(now, bytes, self.rate.bps());
    }

    /// The limit now. `negotiated`: the receiver said that it gives transport-wide feedback.
    pub fn limit(&self, now: Time, negotiated: bool) -> Limit {
        if self.first_feedback.is_none() {
            return match (self.remb_bps, self.first_sent) {
                (Some(remb), _) if self.congested.is_some_and(|(until, _)| now < until) => {
                    Limit::Starting(remb)
                }
                (Some(_), _) => Limit::None,
                (None, first) if negotiated && first.is_none_or(|first| now - first < NO_FEEDBACK) => {
                    Limit::Starting(START_BPS)
                }
                _ => Limit::None,
            };
        }
        let bps = self.estimate();
        if self.starting { Limit::Starting(bps) } else { Limit::Known(bps) }
    }

    fn estimate(&self) -> f64 {
        self.loss.bps().map_or(self.rate.bps(), |loss| loss.min(self.rate.bps())).clamp(MIN_BPS, MAX_BPS)
    }

    /// The receiver has reported. `rtt`: round trip.
    pub fn on_feedback(&mut self, now: Time, feedback: Feedback<'_>, rtt: Duration) {
        let (mut lost, mut reported, mut newest) = (0, 0, None);
        for (seq, arrival) in feedback {
            let arrival = arrival.map(|raw| self.unwrap_clock(raw));
            match (self.history.on_report(seq, arrival.is_some()), arrival) {
                (Some(News::Lost(_)), _) => (lost, reported) = (lost + 1, reported + 1),
                (Some(News::Late(_)), _) => lost -= 1,
                (Some(News::Arrived(sent)), Some(arrival)) => {
                    reported += 1;
                    newest = newest.max(Some(sent.at));
                    self.acked.on_arrival(arrival, sent.bytes, self.alr.limited);
                    if self.probes.explains(sent.at) {
                        self.delay.restart();
                    } else {
                        self.delay.on_packet(sent.at, arrival);
                    }
                    self.probes.on_arrival(&sent, arrival);
                }
                _ => {}
            }
        }
        if reported == 0 {
            return; // nothing new: hostile, or a repetition
        }
        self.unanswered = None;
        if self.first_feedback.is_none() {
            self.first_feedback = Some(now);
        }
        let Some(newest) = newest else {
            self.on_loss(now, lost, reported, rtt);
            return;
        };
        let usage = self.delay.usage();
        let acked = if usage == Usage::Over { self.acked.falling_bps() } else { self.acked.rising_bps() };
        if self.rate.update(now, usage, acked, rtt) {
            self.on_trouble(now);
        }
        self.on_loss(now, lost, reported, rtt);
        let waited = self.probes.is_busy();
        match self.probes.outcome(newest) {
            Some(outcome) => self.on_outcome(now, outcome, usage),
            None if waited && !self.probes.is_busy() => self.next_probe = now + PROBE_ON_DEMAND, // it said nothing
            None => {}
        }
    }

    /// Whether the link itself has lately dropped what was sent. Only then may a picture be taken away altogether: an
    /// estimate that is too low, which a busy receiver's jitter is enough for, must not blacken a picture that arrives.
    pub fn is_overloaded(&self, now: Time) -> bool {
        now < self.overloaded_until || self.congested.is_some_and(|(until, _)| now < until)
    }

    fn on_loss(&mut self, now: Time, lost: i64, reported: i64, rtt: Duration) {
        let (window_lost, window_reported, since) = self.loss_window;
        self.loss_window = (window_lost + lost, window_reported + reported, since);
        if now - since >= LOSS_WINDOW {
            let (lost, reported, _) = std::mem::replace(&mut self.loss_window, (0, 0, now));
            if lost as f64 > LOSS_HIGH * reported as f64 {
                self.overloaded_until = now + OVERLOAD_HOLD;
            }
        }
        let (bps, acked) = (self.estimate(), self.acked.falling_bps());
        if self.loss.update(now, (lost, reported), bps, acked, rtt) {
            self.on_trouble(now);
        }
    }

    fn on_trouble(&mut self, now: Time) {
        self.starting &= self.probes.is_busy(); // the probe that runs still tells more
        self.next_probe = self.next_probe.max(now + PROBE_EACH);
    }

    fn on_outcome(&mut self, now: Time, outcome: Outcome, usage: Usage) {
        let known = self.estimate();
        let carried = outcome.carried_bps;
        if outcome.saturated || carried > known {
            self.rate.set(now, carried);
        }
        self.loss.raise(carried);
        let good = !outcome.saturated && carried >= GOOD_PROBE * outcome.tried_bps && usage != Usage::Over;
        if good && self.first_probes >= FIRST_PROBES.len() && self.wants_more() {
            self.next_probe = now; // at once, from the new estimate
        } else if !good {
            self.starting = false;
            self.first_probes = FIRST_PROBES.len();
            self.next_probe = now + PROBE_EACH;
        }
    }

    /// The receiver's clock without its turns.
    fn unwrap_clock(&mut self, raw: i64) -> i64 {
        let clock = match self.clock_us {
            None => raw,
            Some(last) => {
                let step = (raw - last).rem_euclid(CLOCK_TURN_US);
                let step = if step >= CLOCK_TURN_US / 2 { step - CLOCK_TURN_US } else { step };
                last.saturating_add(step)
            }
        };
        // 64 bits hold half a million turns of it; a receiver that gets there began anew long ago
        self.clock_us = Some(clock);
        clock
    }

    /// The receiver's own estimate (draft-alvestrand-rmcat-remb-03), heard while it gives no transport-wide feedback.
    pub fn on_remb(&mut self, bps: u64) {
        self.remb_bps = Some((bps as f64).clamp(MIN_BPS, MAX_BPS));
    }

    /// Share of loss by receiver reports, of use only beside REMB. A REMB lies at 1.5 times what arrives, even on a free
    /// link, and says nothing about a higher layer: it is the limit while and after the link loses much, and then no
    /// more, so that a higher layer is tried again.
    pub fn on_loss_share(&mut self, now: Time, share: f64) {
        if self.remb_bps.is_none()
            || share <= LOSS_HIGH
            || self.congested.is_some_and(|(until, _)| now < until)
        {
            return;
        }
        let hold = self.congested.map_or(REMB_HOLD, |(_, hold)| (hold * 2).min(REMB_HOLD_MAX));
        self.congested = Some((now + hold, hold));
    }

    /// What all wanted layers together would take; probes go no further.
    pub fn set_wanted(&mut self, now: Time, bps: f64) {
        let before = self.wants_more();
        self.wanted_bps = bps;
        if self.wants_more() && !before && !self.starting {
            let soonest = self.last_probe.map_or(now, |last| last + PROBE_ON_DEMAND);
            self.next_probe = self.next_probe.min(soonest.max(now));
        }
    }

    fn wants_more(&self) -> bool {
        self.wanted_bps > self.estimate()
    }

    /// Time passes; returns how much padding to send now, in bytes, beside what is sent anyway.
    pub fn tick(&mut self, now: Time) -> usize {
        let Some(first) = self.first_feedback else { return 0 };
        self.back_off(now);
        if self.starting && now - first > START_PHASE {
            (self.starting, self.first_probes) = (false, FIRST_PROBES.len());
        }
        if !self.probes.is_busy() {
            self.plan(now);
        }
        self.probes.due(now)
    }

    /// The padding that `tick` asked for is out.
    pub fn end_turn(&mut self, now: Time) {
        self.probes.end_turn(now);
    }

    fn plan(&mut self, now: Time) {
        if let Some(multiple) = FIRST_PROBES.get(self.first_probes).filter(|_| self.starting) {
            self.first_probes += 1;
            self.probe(now, START_BPS * multiple);
        } else if now >= self.next_probe
            && self.wants_more()
            && self.unanswered.is_none_or(|u| now - u < UNANSWERED)
        {
            // no further than what is wanted, and what a full link would show of it
            let bps = (NEXT_PROBE * self.estimate()).min(1.5 * self.wanted_bps);
            self.probe(now, bps);
        } else if now >= self.next_probe {
            self.starting = false; // nothing more to find out
        }
    }

    fn probe(&mut self, now: Time, bps: f64) {
        self.last_probe = Some(now);
        self.next_probe = now + PROBE_EACH;
        self.probes.start(now, bps.clamp(MIN_BPS, MAX_BPS));
    }

    fn back_off(&mut self, now: Time) {
        if self.unanswered.is_some_and(|since| now - since > UNANSWERED) && now >= self.next_back_off {
            self.next_back_off = now + BACK_OFF_EACH;
            self.rate.set(now, self.rate.bps() * BACK_OFF);
            self.on_trouble(now);
        }
    }
}

/// Whether the session sends much less than it may.
#[derive(Default)]
struct AppLimited {
    budget: f64,
    updated: Option<Time>,
    limited: bool,
}

impl AppLimited {
    fn on_sent(&mut self, now: Time, bytes: usize, bps: f64) {
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

#[cfg(test)]
#[path = "bandwidth_tests.rs"]
mod tests;
