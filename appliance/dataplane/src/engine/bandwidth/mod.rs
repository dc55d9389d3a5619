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
mod app_limited;
pub mod backlog;
pub mod delay;
pub mod history;
mod limit;
mod overload;
pub mod probe;
pub mod rate_control;
mod receiver_clock;
pub mod remb;

use std::time::Duration;

use crate::transport_feedback::Feedback;
use crate::units::Time;
use acked::AckedRate;
use app_limited::AppLimited;
use backlog::Backlog;
use delay::{DelayDetector, Usage};
use history::{News, SentHistory};
pub use limit::{Limit, Room};
use overload::Overload;
use probe::{Outcome, Prober};
use rate_control::{LossBound, RateControl};
use receiver_clock::ReceiverClock;
use remb::Remb;

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
/// A probe that shows less than this share of the estimate, or so much more, is worth another one soon: a receiver that
/// looked late shows too little, and the estimate that it was made from too.
const DOUBTFUL: f64 = 0.9;
/// So many in a row far below the estimate are right, the best of them at least: the link became worse while it was not
/// used. What jitter takes off is less than that.
const DOUBTS: u8 = 3;
/// Time between probes when more is wanted than the estimate (MEDIA-NOTES §3).
const PROBE_EACH: Duration = Duration::from_secs(5);
/// The estimate fell to less than this share of what it was, within so long: it may be a false alarm (a frame that took
/// its time, a longer way), from which additive increase comes back slowly (libwebrtc, ProbeController:
/// kBitrateDropThreshold, kBitrateDropTimeoutMs). A probe finds out so long after the last fall, with a queue of its own
/// 30 ms at most. Chromium behind 1 Mbit/s and 40 ms stood at 23 % of it ten seconds after the change without this.
const DEEP_FALL: f64 = 0.66;
const FALL_WITHIN: Duration = Duration::from_secs(5);
const RECOVER: Duration = Duration::from_secs(1);
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

/// The estimator of one session.
pub struct Bandwidth {
    history: SentHistory,
    delay: DelayDetector,
    backlog: Backlog,
    acked: AckedRate,
    rate: RateControl,
    loss: LossBound,
    probes: Prober,
    alr: AppLimited,
    /// It reported on the link that was used before.
    reported_before: bool,
    clock: ReceiverClock,
    first_sent: Option<Time>,
    first_feedback: Option<Time>,
    /// First packet sent after the last feedback.
    unanswered: Option<Time>,
    next_back_off: Time,
    starting: bool,
    full: bool,
    first_probes: usize,
    wanted_bps: f64,
    next_probe: Time,
    last_probe: Option<Time>,
    /// Probes in a row that showed less than the estimate, and the most that one of them did.
    doubts: (u8, f64),
    /// When the estimate began to fall, and from where.
    falling: Option<(Time, f64)>,
    remb: Remb,
    overload: Overload,
}

impl Default for Bandwidth {
    fn default() -> Self {
        Self {
            history: SentHistory::default(),
            delay: DelayDetector::default(),
            backlog: Backlog::default(),
            acked: AckedRate::default(),
            rate: RateControl::new(START_BPS),
            loss: LossBound::default(),
            probes: Prober::default(),
            alr: AppLimited::default(),
            reported_before: false,
            clock: ReceiverClock::default(),
            first_sent: None,
            first_feedback: None,
            unanswered: None,
            next_back_off: Time(0),
            starting: true,
            full: false,
            first_probes: 0,
            wanted_bps: 0.0,
            next_probe: Time(0),
            last_probe: None,
            doubts: (0, 0.0),
            falling: None,
            remb: Remb::default(),
            overload: Overload::default(),
        }
    }
}

impl Bandwidth {
    /// Another link from now on, of which the estimate and late reports on the one before say nothing: begins as with the
    /// first packet. Rejected: half of the estimate, which keeps a better picture where the links are alike, and is many
    /// times too much for long where a cellular one replaces a wired one.
    pub fn restart(&mut self) {
        let reported_before = self.reported_before || self.first_feedback.is_some();
        *self = Self { reported_before, wanted_bps: self.wanted_bps, ..Self::default() };
    }

    /// A packet with this transport-wide sequence number goes out. `bytes`: what it takes of the link, so that the estimate
    /// is in the link's own terms ([`super::path::Path::overhead`]).
    pub fn on_sent(&mut self, now: Time, seq: u16, bytes: usize) {
        let (probe, ahead) = self.probes.on_sent(now, bytes);
        self.history.on_sent(now, seq, bytes, probe, ahead);
        self.first_sent.get_or_insert(now);
        self.unanswered.get_or_insert(now);
        self.alr.on_sent(now, bytes, self.rate.bps());
    }

    /// The limit now. `negotiated`: the receiver said that it gives transport-wide feedback.
    pub fn limit(&self, now: Time, negotiated: bool) -> Limit {
        if self.first_feedback.is_none() {
            if let Some(limit) = self.remb.limit(now) {
                return limit;
            }
            let expected =
                self.reported_before || self.first_sent.is_none_or(|first| now - first < NO_FEEDBACK);
            return if negotiated && expected { Limit::Starting(START_BPS) } else { Limit::None };
        }
        let bps = self.estimate();
        if self.starting { Limit::Starting(bps) } else { Limit::Known(bps) }
    }

    /// Whether the receiver has given transport-wide feedback.
    pub fn has_feedback(&self) -> bool {
        self.first_feedback.is_some()
    }

    fn estimate(&self) -> f64 {
        self.loss.bps().map_or(self.rate.bps(), |loss| loss.min(self.rate.bps())).clamp(MIN_BPS, MAX_BPS)
    }

    /// The receiver has reported. `rtt`: round trip.
    pub fn on_feedback(&mut self, now: Time, feedback: Feedback<'_>, rtt: Duration) {
        let (mut lost, mut reported, mut newest) = (0, 0, None);
        for (seq, arrival) in feedback {
            let arrival = arrival.map(|raw| self.clock.unwrap(raw));
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
                    let before = self.backlog.delay_now();
                    self.probes.on_arrival(&sent, arrival, before);
                    self.backlog.on_arrival(sent.at, arrival, sent.bytes, self.rate.bps());
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
            self.remb = Remb::default();
        }
        let Some(newest) = newest else {
            self.on_loss(now, lost, reported, rtt);
            return;
        };
        let usage = self.delay.usage();
        let before_bps = self.estimate();
        let over = usage == Usage::Over || self.backlog.take_too_long();
        let carried = if over { self.backlog.carried_bps() } else { self.acked.rising_bps() };
        // a trend without a queue holds the rate and costs nothing
        let judged = if over { carried.map_or(Usage::Under, |_| Usage::Over) } else { usage };
        if self.rate.update(now, judged, carried, rtt) {
            self.full = true;
            self.on_trouble(now, before_bps);
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
        self.overload.is_on(now) || self.remb.is_held(now)
    }

    fn on_loss(&mut self, now: Time, lost: i64, reported: i64, rtt: Duration) {
        self.overload.on_loss(now, lost, reported, self.backlog.stands());
        let bps = self.estimate();
        let acked = self.acked.falling_bps(bps);
        if self.loss.update(now, (lost, reported), bps, acked, rtt) {
            // a queue that overflows is over-use, whatever its trend: else the bound rises to a rate that was never taken back
            if let Some(carried) = self.backlog.carried_bps() {
                self.rate.update(now, Usage::Over, Some(carried), rtt);
            }
            self.on_trouble(now, bps);
        }
    }

    fn on_trouble(&mut self, now: Time, before_bps: f64) {
        self.starting &= self.probes.is_busy(); // the probe that runs still tells more
        let fall = self.falling.filter(|(since, _)| now - *since <= FALL_WITHIN).unwrap_or((now, before_bps));
        self.falling = Some(fall);
        self.next_probe = if self.estimate() < DEEP_FALL * fall.1 {
            now + RECOVER
        } else {
            self.next_probe.max(now + PROBE_EACH)
        };
    }

    fn on_outcome(&mut self, now: Time, outcome: Outcome, usage: Usage) {
        let known = self.estimate();
        let carried = outcome.carried_bps;
        // 30 ms say little against what has been carried since: a receiver that looks late makes them longer (libwebrtc,
        // GoogCcNetworkController, lets no probe take it far below what arrives: kProbeDropThroughputFraction)
        let (count, best) = self.doubts;
        let low = outcome.saturated && carried < DOUBTFUL * known;
        self.doubts = if low { (count + 1, best.max(carried)) } else { (0, 0.0) };
        if carried > known || (outcome.saturated && self.starting) {
            self.rate.set(now, carried);
        } else if outcome.saturated && self.rate.bps() > known {
            self.rate.set(now, known); // bounded by loss, and the link is full
        } else if self.doubts.0 >= DOUBTS && self.doubts.1 < DEEP_FALL * known {
            self.rate.set(now, self.doubts.1);
            self.doubts = (0, 0.0);
        }
        self.full = outcome.saturated;
        self.loss.raise(carried);
        let good = !outcome.saturated && carried >= GOOD_PROBE * outcome.tried_bps && usage != Usage::Over;
        if good && self.first_probes >= FIRST_PROBES.len() && self.wants_more() {
            self.next_probe = now; // at once, from the new estimate
        } else if !good {
            self.starting = false;
            self.first_probes = FIRST_PROBES.len();
            let doubtful = low || (outcome.saturated && carried * DOUBTFUL > known);
            self.next_probe = now + if doubtful { PROBE_ON_DEMAND } else { PROBE_EACH };
        }
    }

    /// The receiver's own estimate; ignored where it gives transport-wide feedback: ours knows each arrival, and a REMB that
    /// follows what arrives would hold it below what probes have shown. `sending`: what it is sent now.
    pub fn on_remb(&mut self, now: Time, bps: u64, sending: f64) {
        if self.first_feedback.is_none() && !self.reported_before {
            self.remb.on_report(now, (bps as f64).clamp(MIN_BPS, MAX_BPS), sending);
        }
    }

    /// Share of loss by receiver reports, of use only beside REMB.
    pub fn on_loss_share(&mut self, now: Time, share: f64) {
        self.remb.on_loss_share(now, share);
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

    /// Whether the estimate is what the link carries: the last probe, or what was sent since, filled it, or more is
    /// wanted than it lets through. Otherwise it may carry more.
    pub fn room(&self) -> Room {
        match self.full || self.wants_more() {
            true if self.backlog.stands() => Room::Queue,
            true => Room::Full,
            false => Room::Unknown,
        }
    }

    /// Whether anything has shown where the link ends: a queue that grew, or a probe that did not come through. An estimate
    /// that only nobody has tried to exceed is no reason to hold anything back (measured on loopback, eight who publish one
    /// layer of 3 Mbit/s each: half of all packets waited 147 ms for an estimate that began at 300 kbit/s).
    pub fn has_shown_its_limit(&self) -> bool {
        self.full
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

    /// Whether `tick` wants to be called with each tick.
    pub fn is_probing(&self) -> bool {
        self.probes.is_busy()
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
            let before_bps = self.estimate();
            self.rate.set(now, self.rate.bps() * BACK_OFF);
            self.on_trouble(now, before_bps);
        }
    }
}

#[cfg(test)]
#[path = "bandwidth_tests.rs"]
mod tests;
