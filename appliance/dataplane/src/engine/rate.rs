//! How fast a stream is, and which share of it its temporal layers have.

use std::time::Duration;

use super::bandwidth::allocation::STEPS;
use crate::units::Time;

/// Bytes a second, over windows of a second or more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    since: Time,
    bytes: u64,
    packets: u64,
    bps: u64,
    pps: f64,
    /// The window before: bits and packets per second.
    before: (u64, f64),
}

impl Rate {
    /// Counts a packet.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.packets += 1;
    }

    /// The rate of the last whole window, in bits per second.
    pub fn bps(&mut self, now: Time) -> u64 {
        let span = now - self.since;
        if span >= Duration::from_secs(1) {
            self.before = (self.bps, self.pps);
            self.bps = (self.bytes as f64 * 8.0 / span.as_secs_f64()) as u64;
            self.pps = self.packets as f64 / span.as_secs_f64();
            (self.since, self.bytes, self.packets) = (now, 0, 0);
        }
        self.bps
    }

    /// Begins anew: the stream does.
    pub fn restart(&mut self, now: Time) {
        *self = Self { since: now, ..Self::default() };
    }

    /// What to reserve for it, in bits per second with so much overhead of each packet: the higher of the last two windows.
    /// None before there is one.
    pub fn cost_bps(&mut self, now: Time, overhead: usize) -> Option<f64> {
        let newest = (self.bps(now), self.pps);
        let on_link = |(bps, pps): (u64, f64)| bps as f64 + pps * overhead as f64 * 8.0;
        let cost = on_link(newest).max(on_link(self.before));
        (cost > 0.0).then_some(cost)
    }
}

/// Which share of a stream's bytes lies in which of its temporal layers, over one to two seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    since: Time,
    now: [u32; STEPS],
    before: [u32; STEPS],
}

impl Parts {
    /// Counts bytes of a packet.
    pub fn add(&mut self, temporal: Option<u8>, bytes: usize) {
        let counted = &mut self.now[usize::from(temporal.unwrap_or(0)).min(STEPS - 1)];
        *counted = counted.saturating_add(bytes as u32);
    }

    /// Forgets what was counted more than two seconds ago.
    pub fn roll(&mut self, now: Time) {
        if now - self.since >= Duration::from_secs(1) {
            (self.since, self.before, self.now) = (now, self.now, Default::default());
        }
    }

    fn bytes(&self, temporal: usize) -> f64 {
        f64::from(self.now[temporal]) + f64::from(self.before[temporal])
    }

    /// Highest temporal layer that bytes were counted for.
    pub fn top(&self) -> usize {
        (0..STEPS).rev().find(|temporal| self.bytes(*temporal) > 0.0).unwrap_or(0)
    }

    /// Share of all bytes that temporal layers up to this one have.
    pub fn share(&self, temporal: usize) -> f64 {
        let sum = |top: usize| -> f64 { (0..=top.min(STEPS - 1)).map(|t| self.bytes(t)).sum() };
        let all = sum(STEPS - 1);
        if all > 0.0 { sum(temporal) / all } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_packets_cost_what_their_headers_take() {
        let (mut rate, begin) = (Rate::default(), Time::from_millis(1000));
        rate.restart(begin);
        assert_eq!(rate.cost_bps(begin, 28), None);
        for _ in 0..50 {
            rate.add(100);
        }
        let second = begin + Duration::from_secs(1);
        assert_eq!(rate.cost_bps(second, 28), Some(51_200.0));
        assert_eq!(rate.cost_bps(second, 0), Some(rate.bps(second) as f64));
        assert_eq!(rate.cost_bps(second + Duration::from_secs(1), 28), Some(51_200.0), "the window before");
    }

    #[test]
    fn shares_of_temporal_layers_add_up_and_are_forgotten() {
        let mut parts = Parts::default();
        assert_eq!((parts.top(), parts.share(0)), (0, 1.0));
        for (temporal, bytes) in [(0, 400), (2, 200), (1, 200), (2, 200)].repeat(30) {
            parts.add(Some(temporal), bytes);
        }
        assert_eq!((parts.top(), [0, 1, 2, 7].map(|t| parts.share(t))), (2, [0.4, 0.6, 1.0, 1.0]));
        parts.roll(Time::from_millis(1000));
        assert_eq!(parts.share(1), 0.6);
        parts.add(Some(9), 300);
        assert_eq!(parts.top(), 3);
        parts.roll(Time::from_millis(2000));
        assert_eq!((parts.top(), parts.share(2)), (3, 0.0));
    }
}
