//! Receiver-side loss: which sequence numbers are missing, when to ask for them again, when to give up and ask for a key
//! frame, and the loss and jitter figures of receiver reports. Constants by MEDIA-NOTES §4.
//!
//! One tracker per received SSRC. No clock, no packets, bounded memory.

use crate::units::{Time, extend_seq, first_extended};
use std::time::Duration;

/// A gap may be reordering: the first request waits so long.
const FIRST_AFTER: Duration = Duration::from_millis(10);
/// Requests repeat once a round trip, within these bounds.
const REPEAT_MIN: Duration = Duration::from_millis(20);
const REPEAT_MAX: Duration = Duration::from_millis(400);
const MAX_TRIES: u8 = 10;
/// Missing numbers remembered; one more and the oldest half is given up.
const MAX_MISSING: usize = 1000;
/// A jump further than this is a new stream, not a loss.
const MAX_GAP: u64 = 10_000;

#[derive(Clone, Copy)]
struct Missing {
    extended: u64,
    /// Noticed, until it is asked for; then asked for first.
    since: Time,
    asked: Option<Time>,
    tries: u8,
}

/// What a packet was to the tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than all before, or the first of a gap not noticed yet.
    Fresh,
    /// It was missing.
    Recovered,
    /// Seen before, or given up long ago.
    Duplicate,
}

/// Figures of one report block (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportFigures {
    /// Share of packets lost since the last report, of 256.
    pub fraction_lost: u8,
    /// Packets lost in all; signed 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
}

/// The state of one SSRC.
pub struct LossTracker {
    highest: u64,
    first: u64,
    missing: Vec<Missing>,
    needs_key_frame: bool,
    retransmissions: bool,
    received: u64,
    expected_before: u64,
    received_before: u64,
    clock_rate: u32,
    last_transit: Option<i64>,
    jitter_16: i64,
    answered_in: Option<Duration>,
}

impl LossTracker {
    /// A tracker of a stream with this RTP clock; `retransmissions`: the peer answers NACKs, so missing packets are kept.
    pub fn new(clock_rate: u32, retransmissions: bool) -> LossTracker {
        LossTracker {
            highest: 0,
            first: 0,
            missing: Vec::new(),
            needs_key_frame: false,
            retransmissions,
            received: 0,
            expected_before: 0,
            received_before: 0,
            clock_rate,
            last_transit: None,
            jitter_16: 0,
            answered_in: None,
        }
    }

    /// A packet arrived, by itself or by retransmission; returns what it was and its extended sequence number.
    pub fn on_packet(&mut self, now: Time, seq: u16) -> (Arrival, u64) {
        if self.highest == 0 {
            let extended = first_extended(seq);
            (self.highest, self.first, self.received) = (extended, extended, 1);
            return (Arrival::Fresh, extended);
        }
        let extended = extend_seq(self.highest, seq);
        if extended > self.highest {
            self.note_gap(now, extended);
            self.highest = extended;
            self.received += 1;
            return (Arrival::Fresh, extended);
        }
        match self.missing.binary_search_by_key(&extended, |m| m.extended) {
            Ok(index) => {
                let was = self.missing.remove(index);
                self.answered_in = was.asked.map(|_| now.since(was.since));
                self.received += 1;
                (Arrival::Recovered, extended)
            }
            Err(_) => (Arrival::Duplicate, extended),
        }
    }

    fn note_gap(&mut self, now: Time, extended: u64) {
        if extended - self.highest > MAX_GAP {
            self.missing.clear();
            self.needs_key_frame = true;
            return;
        }
        if !self.retransmissions {
            // Still remembered, so that a reordered packet is not called a duplicate.
            let from = (self.highest + 1).max(extended.saturating_sub(64));
            self.missing.retain(|m| m.extended + 64 > extended);
            self.missing.extend((from..extended).map(|n| Missing {
                extended: n,
                since: now,
                asked: None,
                tries: 0,
            }));
            return;
        }
        let oldest = extended.saturating_sub(MAX_MISSING as u64).max(self.highest + 1);
        self.needs_key_frame |= oldest > self.highest + 1;
        let added = (extended - oldest) as usize;
        if self.missing.len() + added > MAX_MISSING {
            let dropped =
                (self.missing.len() + added - MAX_MISSING).max(MAX_MISSING / 2).min(self.missing.len());
            self.missing.drain(..dropped);
            self.needs_key_frame = true;
        }
        self.missing.extend((oldest..extended).map(|n| Missing {
            extended: n,
            since: now,
            asked: None,
            tries: 0,
        }));
    }

    /// Numbers to ask for now, into `out` (cleared first), oldest first. `rtt`: the last known round trip to the sender.
    pub fn due_nacks(&mut self, now: Time, rtt: Duration, out: &mut Vec<u16>) {
        out.clear();
        if !self.retransmissions {
            return;
        }
        let repeat = rtt.clamp(REPEAT_MIN, REPEAT_MAX);
        let mut gave_up = false;
        self.missing.retain_mut(|m| {
            let due = match m.asked {
                None => now.since(m.since) >= FIRST_AFTER,
                Some(at) => now.since(at) >= repeat,
            };
            if !due {
                return true;
            }
            if m.tries >= MAX_TRIES {
                gave_up = true;
                return false;
            }
            if m.asked.is_none() {
                m.since = now;
            }
            (m.asked, m.tries) = (Some(now), m.tries + 1);
            out.push(m.extended as u16);
            true
        });
        self.needs_key_frame |= gave_up;
    }

    /// Time from the first request for the packet that came just now; None if it was not asked for.
    pub fn take_answered_in(&mut self) -> Option<Duration> {
        self.answered_in.take()
    }

    /// Everything before this number no longer matters (a key frame came): forget what was missing.
    pub fn forget_before(&mut self, extended: u64) {
        self.missing.retain(|m| m.extended >= extended);
    }

    /// Whether packets were given up since the last call: the decoder needs a key frame.
    pub fn take_needs_key_frame(&mut self) -> bool {
        std::mem::take(&mut self.needs_key_frame)
    }

    /// Highest extended number received; 0 before the first packet.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Since when a packet is missing that may still come; None if it is here, or given up.
    pub fn awaited_since(&self, extended: u64) -> Option<Time> {
        let index = self.missing.binary_search_by_key(&extended, |m| m.extended).ok()?;
        Some(self.missing[index].since)
    }

    /// Packets that are missing now.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Whether `due_nacks` or `take_needs_key_frame` may have something to tell, now or later.
    pub fn has_requests(&self) -> bool {
        self.needs_key_frame || !self.missing.is_empty()
    }

    /// Interarrival jitter, RFC 3550 §6.4.1 and A.8; for packets that came by themselves.
    pub fn on_timestamp(&mut self, now: Time, rtp_timestamp: u32) {
        let arrival = (u128::from(now.0) * u128::from(self.clock_rate) / 1_000_000) as i64;
        let transit = arrival.wrapping_sub(i64::from(rtp_timestamp));
        if let Some(last) = self.last_transit {
            let difference = i64::from(transit.wrapping_sub(last) as i32).abs(); // the timestamp wraps at 32 bits
            self.jitter_16 += difference - ((self.jitter_16 + 8) >> 4);
        }
        self.last_transit = Some(transit);
    }

    /// (expected, received) packets since the first one: for loss over a window of the caller's.
    pub fn totals(&self) -> (u64, u64) {
        if self.highest == 0 { (0, 0) } else { (self.highest - self.first + 1, self.received) }
    }

    /// The figures of a receiver report made now; starts the next interval.
    pub fn report(&mut self) -> ReportFigures {
        let (expected, received) = self.totals();
        let interval = expected - self.expected_before;
        let lost = interval as i64 - (received - self.received_before) as i64;
        (self.expected_before, self.received_before) = (expected, received);
        let fraction = if interval == 0 || lost <= 0 { 0 } else { (lost * 256 / interval as i64).min(255) };
        let cumulative = (expected as i64 - received as i64).clamp(-0x80_0000, 0x7f_ffff);
        // first_extended adds a turn so that numbers before the first exist; the wire counts turns from 0.
        let highest = self.highest.saturating_sub(1 << 16) as u32;
        ReportFigures {
            fraction_lost: fraction as u8,
            cumulative_lost: cumulative as i32,
            highest,
            jitter: (self.jitter_16 >> 4).clamp(0, i64::from(u32::MAX)) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    fn nacks(tracker: &mut LossTracker, now: Time) -> Vec<u16> {
        let mut out = Vec::new();
        tracker.due_nacks(now, RTT, &mut out);
        out
    }

    #[test]
    fn a_gap_is_asked_for_after_ten_milliseconds_and_then_each_round_trip() {
        let mut t = LossTracker::new(90_000, true);
        let at = Time::from_millis;
        for seq in [65_533, 65_534, 1, 2] {
            t.on_packet(at(100), seq);
        }
        assert_eq!(nacks(&mut t, at(105)), [] as [u16; 0]);
        assert_eq!(nacks(&mut t, at(110)), [65_535, 0]);
        assert_eq!(nacks(&mut t, at(150)), [] as [u16; 0]);
        assert_eq!(t.on_packet(at(155), 0).0, Arrival::Recovered);
        assert_eq!(t.take_answered_in(), Some(Duration::from_millis(45)), "since the first request");
        assert_eq!(t.on_packet(at(155), 0).0, Arrival::Duplicate);
        assert_eq!(t.take_answered_in(), None);
        assert_eq!(nacks(&mut t, at(160)), [65_535]);
        for try_number in 3..=10u64 {
            assert_eq!(nacks(&mut t, at(100 + try_number * 60)), [65_535]);
        }
        assert!(!t.take_needs_key_frame());
        assert_eq!(nacks(&mut t, at(1000)), [] as [u16; 0]);
        assert!(t.take_needs_key_frame(), "ten tries were in vain");
        assert!(!t.take_needs_key_frame());
    }

    #[test]
    fn reordering_asks_for_nothing() {
        let mut t = LossTracker::new(90_000, true);
        for seq in [10, 12, 11, 14, 13] {
            t.on_packet(Time::from_millis(5), seq);
        }
        assert_eq!(nacks(&mut t, Time::from_millis(100)), [] as [u16; 0]);
        assert_eq!(t.totals(), (5, 5));
    }

    #[test]
    fn memory_is_bounded_whatever_jumps() {
        let mut t = LossTracker::new(90_000, true);
        let mut seq = 0u16;
        for step in 0..500u16 {
            seq = seq.wrapping_add(step.wrapping_mul(7919) % 9000 + 1);
            t.on_packet(Time::from_millis(u64::from(step)), seq);
            assert!(t.missing() <= MAX_MISSING);
        }
        assert!(t.take_needs_key_frame());
        assert!(nacks(&mut t, Time::from_millis(5000)).len() <= MAX_MISSING);
    }

    #[test]
    fn without_retransmission_nothing_is_asked_but_reordering_is_still_known() {
        let mut t = LossTracker::new(48_000, false);
        for seq in [1, 5, 3] {
            assert_ne!(t.on_packet(Time(0), seq).0, Arrival::Duplicate);
        }
        assert_eq!(t.on_packet(Time(0), 3).0, Arrival::Duplicate);
        assert_eq!(nacks(&mut t, Time::from_millis(500)), [] as [u16; 0]);
        for seq in (6..60_000u16).step_by(2) {
            t.on_packet(Time(0), seq);
            assert!(t.missing() <= 128);
        }
    }

    #[test]
    fn report_figures_follow_the_rfc() {
        let mut t = LossTracker::new(8000, true);
        for i in 0..100u64 {
            if i % 4 != 0 || i == 0 {
                let at = Time::from_millis(20 * i + if i % 2 == 0 { 0 } else { 5 });
                t.on_packet(at, 60_000 + i as u16);
                t.on_timestamp(at, (160 * i) as u32);
            }
        }
        let report = t.report();
        assert_eq!(report.cumulative_lost, 24);
        assert_eq!(report.highest, 60_099);
        assert_eq!(report.fraction_lost, (24 * 256 / 100) as u8);
        assert!((20..=40).contains(&report.jitter), "5 ms of 8 kHz is 40 units: {}", report.jitter);
        assert_eq!(t.report().fraction_lost, 0, "a new interval");
    }
}
